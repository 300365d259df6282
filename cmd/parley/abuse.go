package main

import (
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"parley/provider"
)

func abuseCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "abuse",
		Short: "Reports of misconduct in rooms of this hub",
		Long: `Reports of misconduct that users have sent from rooms of this hub, and what was decided on them. Whoever reports a message shows it
to you; nothing else of a hub can be read. Only of a message that is "genuine" is it certain that the abuser sent it to the room at that
time: all others are kept as unverified. doc/abuse.md says what the verdicts mean.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(abuseListCommand(), abuseShowCommand(), abuseResolveCommand())
	return c
}

// pageOfReports is how many reports are asked for at once.
const pageOfReports = 100

func (cfg *config) reports(c *cobra.Command, all bool) (list []provider.ReportEntry, err error) {
	list = []provider.ReportEntry{}
	err = cfg.operate(c.Context(), func(o *provider.Operator) error {
		after := uint64(0)
		for {
			page, err := o.Reports(c.Context(), after, pageOfReports, all)
			if err != nil {
				return err
			}
			list = append(list, page...)
			if len(page) < pageOfReports {
				return nil
			}
			after = page[len(page)-1].ID
		}
	})
	return list, err
}

func abuseListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the reports that wait for a decision",
		Example: "  parley abuse list --config /etc/parley/parley.toml",
		Args:    noArgs,
	}
	path := configFlag(c)
	asJSON := jsonFlag(c)
	all := c.Flags().Bool("all", false, "also those that were decided, while they are kept")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		list, err := cfg.reports(c, *all)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c, list)
		}
		for i := range list {
			if err := printf(c, "%d  %s  %s, %s\n", list[i].ID, list[i].At.Format(time.RFC3339), cleanLine(list[i].Abuser), standing(&list[i])); err != nil {
				return err
			}
		}
		if len(list) == 0 {
			return printf(c, "no report waits\n")
		}
		return nil
	}
	return c
}

// standing says what a report is worth and what became of it.
func standing(r *provider.ReportEntry) string {
	out := "unverified"
	if r.Verified {
		out = "verified"
	}
	out += ", " + strconv.Itoa(len(r.Messages)) + " messages"
	if r.Resolved != nil {
		out += ", decided: " + cleanLine(r.Outcome)
	}
	return out
}

func abuseShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "show NUMBER",
		Short:   "Show a report with the messages that were reported",
		Example: "  parley abuse show 17 --config /etc/parley/parley.toml",
		Args:    exactArgs(1),
	}
	path := configFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := reportNumber(args[0])
		if err != nil {
			return err
		}
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		var list []provider.ReportEntry
		err = cfg.operate(c.Context(), func(o *provider.Operator) error {
			list, err = o.Reports(c.Context(), id-1, 1, true)
			return err
		})
		if err != nil {
			return err
		}
		if len(list) == 0 || list[0].ID != id {
			return errors.New("there is no report of that number; `parley abuse list --all` shows which there are")
		}
		if *asJSON {
			return printJSON(c, &list[0])
		}
		return printReport(c, &list[0])
	}
	return c
}

func printReport(c *cobra.Command, r *provider.ReportEntry) error {
	reporter := r.Reporter
	if reporter == "" {
		reporter = "somebody who is not named"
	}
	if err := printf(c, "report %d of %s, from %s: %s\n  reported by  %s\n  is about     %s\n  in the room  %s\n", r.ID, r.At.Format(time.RFC3339),
		r.From, standing(r), cleanLine(reporter), cleanLine(r.Abuser), cleanLine(r.Room)); err != nil {
		return err
	}
	if r.Note != "" {
		if err := printf(c, "  note         %s\n", cleanLine(r.Note)); err != nil {
			return err
		}
	}
	for _, m := range r.Messages {
		if err := printf(c, "  %s, sent %s:\n    %s\n", m.Verdict, m.Sent.Format(time.RFC3339), cleanLine(m.Text)); err != nil {
			return err
		}
	}
	return nil
}

func reportNumber(text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 10, 63)
	if err != nil || id == 0 {
		return 0, usageError{errors.New("a report is named by its number; `parley abuse list` shows them")}
	}
	return id, nil
}

func abuseResolveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "resolve NUMBER OUTCOME",
		Short: "Note what was decided on a report",
		Long: `Note what was decided on a report, in your own words. It is kept for 180 days and then deleted. The decision itself has no effect:
remove a user with parley user remove, or take the peer up with its operator.`,
		Example: "  parley abuse resolve 17 \"warned\" --config /etc/parley/parley.toml",
		Args:    exactArgs(2),
	}
	path := configFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := reportNumber(args[0])
		if err != nil {
			return err
		}
		if len(args[1]) > 1000 {
			return usageError{errors.New("the outcome is longer than 1000 octets")}
		}
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		if err := cfg.operate(c.Context(), func(o *provider.Operator) error { return o.Resolve(c.Context(), id, args[1]) }); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c, outcome{ID: args[0], OK: true})
		}
		return printf(c, "report %d: %s\n", id, cleanLine(args[1]))
	}
	return c
}
