package main

import (
	"os"

	"github.com/spf13/cobra"

	"parley/demo"
)

func demoCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "demo",
		Short: "Play the example of the MIMI protocol with three providers on this machine",
		Long: `Start three providers on loopback, each a process of its own, with real MLS over mutual TLS, and play the example of
draft-ietf-mimi-protocol-06 section 3: Alice creates a room and adds Bob, Bob adds Cathy, Cathy writes, Bob leaves, Cathy's
second device enters by an external commit. Each step is checked by what the receivers decrypted.

It prints who called which endpoint of whom, then stays up so that you can chat as any of the three. It exits 0 only if every
step was verified.`,
		Example: "  parley demo\n  parley demo --once\n  parley demo --with irc,xmpp",
		Args:    noArgs,
	}
	dir := c.Flags().String("dir", ".demo", "directory for everything that the demo makes; what an earlier demo left there is removed")
	with := c.Flags().StringSlice("with", nil, "other networks whose users take part, as in --with irc,xmpp; their servers have to be installed (ngircd, prosody)")
	once := c.Flags().Bool("once", false, "end after the play")
	c.RunE = func(c *cobra.Command, _ []string) error {
		binary, err := os.Executable()
		if err != nil {
			return err
		}
		return demo.Run(c.Context(), demo.Config{Binary: binary, Dir: *dir, Once: *once, With: *with, Out: c.OutOrStdout()})
	}
	return c
}
