package main

import (
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"parley/provider"
)

type caResult struct {
	Domain        string   `json:"domain"`
	CACertificate string   `json:"ca_certificate"`
	CAKey         string   `json:"ca_key"`
	HubKey        string   `json:"hub_key"`
	Made          []string `json:"made"` // the files that were not there before
}

func caCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "ca",
		Short: "The provider's authority for its users' devices",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(caInitCommand())
	return c
}

func caInitCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "init",
		Short: "Make the CA and the hub's key, once",
		Long: `Make the data directory, the authority (CA) that certifies the devices of the provider's users, and the key with which the
provider signs as the hub of its rooms. Files that are there already are never replaced.

Keep copies of the three files in a safe place: without the CA key no device can enrol, without the hub key existing rooms have no
hub. Peers learn the CA certificate from the provider's directory and pin it.`,
		Example: "  parley ca init --config /etc/parley/parley.toml",
		Args:    noArgs,
	}
	path := configFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
			return err
		}
		f := cfg.keyFiles()
		made, err := provider.InitKeys(f, cfg.provider(), time.Now())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c, caResult{cfg.provider().Domain(), f.CACertificate, f.CAKey, f.Hub, append([]string{}, made...)})
		}
		for _, file := range []string{f.CACertificate, f.CAKey, f.Hub} {
			state := "was there"
			if slices.Contains(made, file) {
				state = "made"
			}
			if err := printf(c, "%-10s%s\n", state, file); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}
