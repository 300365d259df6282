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
	c.AddCommand(userAddCommand(), userListCommand(), userRevokeCommand(), userRemoveCommand(), userShowCommand(), userAddressCommand())
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
	again := c.Flags().Bool("again", false, "also if a user of that name was removed: the same person comes back")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		var made *provider.Invitation
		err = cfg.operate(c.Context(), func(o *provider.Operator) error {
			invite := o.Invite
			if *again {
				invite = o.Restore
			}
			made, err = invite(c.Context(), args[0])
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

func userRevokeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "revoke DEVICE",
		Short: "End a device, for example one that was lost",
		Long: `End the device DEVICE, as parley user list shows it or as USER/NAME. Its token stops working at once, its open connections end, its
KeyPackages are deleted, and nothing is kept for it any more. Its name is never given again.

In rooms it stays a member until somebody there removes it: the user's other devices or an administrator of the room. Until then it
could read what it gets hold of, but nothing reaches it through this provider.`,
		Example: "  parley user revoke alice/phone --config /etc/parley/parley.toml\n  parley user revoke mimi://a.example/d/alice/phone --json",
		Args:    exactArgs(1),
	}
	path := configFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		var ended *provider.Revocation
		err = cfg.operate(c.Context(), func(o *provider.Operator) error {
			ended, err = o.Revoke(c.Context(), args[0])
			return err
		})
		if err != nil {
			return err
		}
		return printRevocations(c, *asJSON, ended, *ended)
	}
	return c
}

func userRemoveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "remove USER",
		Short: "End a user with all devices",
		Long: `End the user USER: all its devices as parley user revoke does, its enrolment codes, and the user itself; others are told that there is
no such user. The name is not given to somebody else afterwards, unless no device ever used it.`,
		Example: "  parley user remove alice --config /etc/parley/parley.toml",
		Args:    exactArgs(1),
	}
	path := configFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		var ended []provider.Revocation
		err = cfg.operate(c.Context(), func(o *provider.Operator) error {
			ended, err = o.Remove(c.Context(), args[0])
			return err
		})
		if err != nil {
			return err
		}
		return printRevocations(c, *asJSON, ended, ended...)
	}
	return c
}

func printRevocations(c *cobra.Command, asJSON bool, answer any, list ...provider.Revocation) error {
	if asJSON {
		return printJSON(c, answer)
	}
	for _, r := range list {
		if err := printf(c, "%s  revoked, %d KeyPackages deleted\n", r.Client, r.KeyPackages); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		return printf(c, "removed; there was no device\n")
	}
	return nil
}
