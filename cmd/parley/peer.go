package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"parley/provider"
	"parley/uri"
)

func peerCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "peer",
		Short: "What is known of other providers",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(peerListCommand(), peerAcceptCommand(), peerDoctorCommand(), peerOfferCommand(), peerAddCommand())
	return c
}

func peerListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List the other providers: what is known of them, what waits for them",
		Long: `List the configured peers and the providers whose users' authorities were learned from their directories and pinned. CHANGED means
that the provider now publishes others that have nothing in common with the pinned ones, which stay in force until parley peer accept.

Where something waits for a provider, or the last try failed, the lines below say how much, since when, why, and when the next try is
due. The last error is known only of a provider that runs. Our own domain is listed when something waits for our own devices.`,
		Example: "  parley peer list --config /etc/parley/parley.toml",
		Args:    noArgs,
	}
	path := configFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		var peers []provider.PeerEntry
		err = cfg.operate(c.Context(), func(o *provider.Operator) error {
			peers, err = o.Peers(c.Context())
			return err
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c, peers)
		}
		for _, p := range peers {
			if err := printf(c, "%s", peerText(&p, time.Now())); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

// peerText is a peer on one line, and what waits for it on further ones.
func peerText(p *provider.PeerEntry, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %d certificates", p.Domain, p.Certificates)
	if p.Since != nil {
		fmt.Fprintf(&b, "  since %s", p.Since.Format(time.DateOnly))
	}
	if !p.Configured {
		b.WriteString("  not configured")
	}
	if p.Changed {
		b.WriteString("  CHANGED")
	}
	b.WriteByte('\n')
	q := p.Queue
	if q == nil {
		return b.String()
	}
	if q.Messages > 0 {
		fmt.Fprintf(&b, "  waiting  %d messages in %d rooms", q.Messages, q.Rooms)
		if q.Oldest != nil {
			fmt.Fprintf(&b, ", the oldest for %s", now.Sub(*q.Oldest).Round(time.Second))
		}
		fmt.Fprintf(&b, "; %d rooms are being sent\n", q.Sending)
	}
	if q.Failures > 0 {
		fmt.Fprintf(&b, "  failing  %d times in a row: %s\n", q.Failures, q.LastError)
		if q.LastErrorAt != nil {
			fmt.Fprintf(&b, "           last at %s", q.LastErrorAt.Format(time.RFC3339))
		}
		if q.NextTry != nil {
			fmt.Fprintf(&b, ", next try at %s; now: parley outbox retry %s", q.NextTry.Format(time.RFC3339), p.Domain)
		}
		b.WriteByte('\n')
	}
	if q.ParkedRooms+q.ParkedItems > 0 {
		fmt.Fprintf(&b, "  PARKED   %d rooms, %d messages: parley outbox list\n", q.ParkedRooms, q.ParkedItems)
	}
	return b.String()
}

func peerAcceptCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "accept DOMAIN",
		Short: "Put a peer's changed authorities in force",
		Long: `Put the changed authorities of a provider in force. Do this only after its operator has confirmed the change by another way than
the network: whoever controls the authorities can claim to be any of that provider's users.`,
		Example: "  parley peer accept b.example --config /etc/parley/parley.toml",
		Args:    exactArgs(1),
	}
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		peer, err := uri.ProviderFromDomain(args[0])
		if err != nil {
			return usageError{fmt.Errorf("%q is not a domain name", args[0])}
		}
		err = cfg.operate(c.Context(), func(o *provider.Operator) error { return o.Accept(c.Context(), peer) })
		if err != nil {
			return err
		}
		return printf(c, "%s: the changed authorities are in force\n", peer.Domain())
	}
	return c
}
