package main

import (
	"fmt"
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
	c.AddCommand(peerListCommand(), peerAcceptCommand())
	return c
}

func peerListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List the providers whose authorities are pinned",
		Long: `List the providers whose users' authorities were learned from their directories and pinned. CHANGED means that the provider now
publishes others that have nothing in common with the pinned ones, which stay in force until parley peer accept.`,
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
			note := ""
			if p.Changed {
				note = "  CHANGED"
			}
			if err := printf(c, "%s  %d certificates  since %s%s\n", p.Domain, p.Certificates, p.Since.Format(time.DateOnly), note); err != nil {
				return err
			}
		}
		return nil
	}
	return c
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
