package main

import (
	"time"

	"github.com/spf13/cobra"

	"parley/provider"
)

func userShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "show NAME",
		Short:   "What is known of a user: addresses, profile, who may find them, what changed",
		Example: "  parley user show alice --config /etc/parley/parley.toml",
		Args:    exactArgs(1),
	}
	return personCommand(c, func(c *cobra.Command, o *provider.Operator, args []string) (*provider.PersonEntry, error) {
		return o.Person(c.Context(), args[0])
	})
}

func userAddressCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "address NAME TYPE VALUE",
		Short: "Give a user an address, or take it away",
		Long: `Give the user NAME the address VALUE, on your word: use it for numbers and addresses that you have assigned or checked. TYPE is phone,
email, or handle (a URI of another messaging system, such as xmpp:alice@a.example). Whoever had the address before loses it.

Users can prove phone numbers and e-mail addresses themselves where [people] names a way to send codes.`,
		Example: "  parley user address alice phone +4930123456 --reach everybody\n  parley user address alice email alice@a.example --withdraw",
		Args:    exactArgs(3),
	}
	reach := c.Flags().String("reach", "everybody", "who may find the user by it: nobody, own, everybody, or domains of providers")
	withdraw := c.Flags().Bool("withdraw", false, "take the address away")
	return personCommand(c, func(c *cobra.Command, o *provider.Operator, args []string) (*provider.PersonEntry, error) {
		return o.Address(c.Context(), provider.AddressChange{User: args[0], Type: args[1], Value: args[2], Reach: *reach, Withdraw: *withdraw})
	})
}

// personCommand makes a command whose answer is a person.
func personCommand(c *cobra.Command, do func(*cobra.Command, *provider.Operator, []string) (*provider.PersonEntry, error)) *cobra.Command {
	path := configFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		var person *provider.PersonEntry
		err = cfg.operate(c.Context(), func(o *provider.Operator) error {
			person, err = do(c, o, args)
			return err
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c, person)
		}
		return printPerson(c, person)
	}
	return c
}

func printPerson(c *cobra.Command, p *provider.PersonEntry) error {
	if err := printf(c, "%s  found by %s\n", p.User, p.Reach); err != nil {
		return err
	}
	for _, a := range p.Addresses {
		kind := a.Type
		if a.Name != "" {
			kind += " " + a.Name
		}
		if err := printf(c, "  %-14s %-32s by %-6s since %s  for %s\n", kind, a.Value, a.Proof, a.Since.Format(time.DateOnly), a.Reach); err != nil {
			return err
		}
	}
	for _, h := range p.Changes {
		if err := printf(c, "  %s  %-9s %s %s\n", h.At.Format(time.RFC3339), h.What, h.Type, h.Value); err != nil {
			return err
		}
	}
	return nil
}
