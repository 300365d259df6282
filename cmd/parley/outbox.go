package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"parley/provider"
)

func outboxCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "outbox",
		Short: "What other providers refuse for good",
		Long: `What the provider has accepted for others and cannot deliver. While a peer is down nothing is given up: it waits, see parley peer list.
Only what a peer refuses for good, ten times, is parked: a message alone, or a room whose next handshake was refused.

Rooms are shown as short labels, as in the log.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(outboxListCommand(), outboxRetryCommand(), outboxDropCommand())
	return c
}

func outboxListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List what is parked, with the ids that retry and drop take",
		Example: "  parley outbox list --config /etc/parley/parley.toml",
		Args:    noArgs,
	}
	path := configFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		var list *provider.ParkedList
		err = cfg.operate(c.Context(), func(o *provider.Operator) error {
			list, err = o.Parked(c.Context())
			return err
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c, list)
		}
		for _, p := range list.Parked {
			if err := printParked(c, &p); err != nil {
				return err
			}
		}
		switch {
		case list.More:
			return printf(c, "there are more; these are the first\n")
		case len(list.Parked) == 0:
			return printf(c, "nothing is parked\n")
		}
		return nil
	}
	return c
}

func printParked(c *cobra.Command, p *provider.ParkedEntry) error {
	what := "message"
	if p.Kind == provider.ParkedRoom {
		what = "room stands still"
	}
	if err := printf(c, "%s  %s since %s", p.ID, what, p.Since.Format(time.RFC3339)); err != nil {
		return err
	}
	if p.Octets > 0 {
		if err := printf(c, ", %d octets", p.Octets); err != nil {
			return err
		}
	}
	if p.Reason != "" {
		if err := printf(c, ": %s", p.Reason); err != nil {
			return err
		}
	}
	return printf(c, "\n")
}

func outboxRetryCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "retry ID...",
		Short: "Try again what waits for a provider, or what is parked",
		Long: `Try again. ID is one of

  DOMAIN                what waits for that provider is tried now, also if it has asked for a longer rest
  DOMAIN/ROOM           a parked room goes on with the handshake that was refused
  DOMAIN/ROOM/NUMBER    a parked message is offered once more, behind what was delivered meanwhile; needs a provider that runs

as parley outbox list shows them. The exit code is 1 when one of them failed; the others are tried.`,
		Example: "  parley outbox retry b.example --config /etc/parley/parley.toml\n  parley outbox retry b.example/1a2b3c4d/17",
		Args:    cobra.ArbitraryArgs,
	}
	return forEachID(c, "tried again", func(ctx context.Context, o *provider.Operator, id string) error { return o.Retry(ctx, id) })
}

func outboxDropCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "drop ID...",
		Short: "Give up what is parked, for good",
		Long: `Give up what is parked. ID is one of

  DOMAIN/ROOM           the refused handshake of a parked room is given up, and the room goes on behind it; the provider's users in the
                        room may not understand what follows and have to join again
  DOMAIN/ROOM/NUMBER    a parked message is deleted

as parley outbox list shows them. It cannot be undone.`,
		Example: "  parley outbox drop b.example/1a2b3c4d/17 --config /etc/parley/parley.toml",
		Args:    cobra.ArbitraryArgs,
	}
	return forEachID(c, "given up", func(ctx context.Context, o *provider.Operator, id string) error { return o.Drop(ctx, id) })
}

// outcome is what became of one id.
type outcome struct {
	ID    string `json:"id"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// forEachID makes a command that does something to each of its arguments.
func forEachID(c *cobra.Command, done string, do func(context.Context, *provider.Operator, string) error) *cobra.Command {
	path := configFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, ids []string) error {
		if len(ids) == 0 {
			return exactArgs(1)(c, ids)
		}
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		var outcomes []outcome
		var failed error
		err = cfg.operate(c.Context(), func(o *provider.Operator) error {
			for _, id := range ids {
				out := outcome{ID: id, OK: true}
				if err := explain(do(c.Context(), o, id)); err != nil {
					out.OK, out.Error, failed = false, err.Error(), err
				}
				outcomes = append(outcomes, out)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if *asJSON {
			if err := printJSON(c, outcomes); err != nil {
				return err
			}
			return failed
		}
		for _, out := range outcomes {
			text := done
			if !out.OK {
				text = "failed: " + out.Error
			}
			if err := printf(c, "%s  %s\n", out.ID, text); err != nil {
				return err
			}
		}
		return failed
	}
	return c
}
