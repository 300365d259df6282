package main

import (
	"time"

	"github.com/spf13/cobra"

	"parley/provider"
)

func userCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "user",
		Short: "The provider's users",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(userAddCommand(), userListCommand())
	return c
}

func userAddCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a user, or a further enrolment code of one",
		Long: `Make the user NAME, unless there is one, and print a one-time code. Whoever has the code enrols one device as that user within
seven days; give it to nobody else. Run it again for a further device.

It works while the provider runs (through its admin socket) and while it does not.`,
		Example: "  parley user add alice --config /etc/parley/parley.toml\n  parley user add alice --json",
		Args:    exactArgs(1),
	}
	path := configFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		var made *provider.Invitation
		err = cfg.operate(c.Context(), func(o *provider.Operator) error {
			made, err = o.Invite(c.Context(), args[0])
			return err
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c, made)
		}
		return printf(c, "user    %s\ncode    %s\nvalid   for one device, until %s\n", made.User, made.Code, made.Expires.Format(time.RFC3339))
	}
	return c
}

func userListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List users and their devices",
		Example: "  parley user list --config /etc/parley/parley.toml",
		Args:    noArgs,
	}
	path := configFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		var users []provider.UserEntry
		err = cfg.operate(c.Context(), func(o *provider.Operator) error {
			users, err = o.AllUsers(c.Context())
			return err
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c, users)
		}
		for _, u := range users {
			if err := printf(c, "%s\n", u.User); err != nil {
				return err
			}
			for _, d := range u.Devices {
				note := ""
				if d.Revoked {
					note = "  revoked"
				}
				if err := printf(c, "  %s  since %s%s\n", d.Client, d.Created.Format(time.DateOnly), note); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return c
}
