package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"parley/policy"
	"parley/room"
	"parley/uri"
)

func roomCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "room",
		Short: "The kinds of rooms, and who may do what in them",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(roomKindsCommand())
	return c
}

// roomKind is one ready-made policy as JSON shows it.
type roomKind struct {
	Kind  policy.Kind `json:"kind"`
	Words string      `json:"words"`
	Rules []string    `json:"rules"`
}

func roomKindsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "kinds [KIND]",
		Short: "Ready-made policies, with what each role may do",
		Long: `Show the ready-made policies of rooms. In parley chat, /make KIND NAME makes such a room, /direct USER a conversation of two, and
/rules shows what holds in a room that is there.`,
		Example: "  parley room kinds\n  parley room kinds announcement",
		Args:    cobra.MaximumNArgs(1),
	}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var out []roomKind
		for _, k := range policy.Kinds() {
			if len(args) == 1 && args[0] != string(k.Kind) {
				continue
			}
			p, _, _ := policy.Ready(k.Kind, "the users whom you name")
			out = append(out, roomKind{k.Kind, k.Words, ruleLines(&room.State{Policy: *p}, uri.User{})})
		}
		if len(out) == 0 {
			return usageError{errNoKind(args[0])}
		}
		if *asJSON {
			return printJSON(c, out)
		}
		for _, k := range out {
			if err := printf(c, "%s: %s\n", k.Kind, k.Words); err != nil {
				return err
			}
			if err := printf(c, "  %s\n\n", strings.Join(k.Rules, "\n  ")); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

type errNoKind string

func (e errNoKind) Error() string {
	return "there is no kind of room named " + strconv.Quote(string(e)) + "; `parley room kinds` lists them"
}
