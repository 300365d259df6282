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
	Made          []string `json:"made"`  // the files that were not there before
	Added         []string `json:"added"` // the files that were there and got more keys
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
		Short: "Make the CA and the hub's keys, once",
		Long: `Make the data directory, the authority (CA) that certifies the devices of the provider's users, and the keys with which the provider
signs as the hub of its rooms, one for each kind of signature that rooms may use. What is there already stays; keys that are missing in
the hub's file are added behind those of before.

Keep copies of the three files in a safe place: without the CA key no device can enrol, without the hub's keys existing rooms have no
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
		_, err = os.Lstat(f.Hub)
		hadHub := err == nil
		wrote, err := provider.InitKeys(f, cfg.provider(), time.Now())
		if err != nil {
			return err
		}
		result := caResult{Domain: cfg.provider().Domain(), CACertificate: f.CACertificate, CAKey: f.CAKey, HubKey: f.Hub, Made: []string{}, Added: []string{}}
		for _, file := range wrote {
			if file == f.Hub && hadHub {
				result.Added = append(result.Added, file)
			} else {
				result.Made = append(result.Made, file)
			}
		}
		if *asJSON {
			return printJSON(c, result)
		}
		for _, file := range []string{f.CACertificate, f.CAKey, f.Hub} {
			state := "was there"
			switch {
			case slices.Contains(result.Made, file):
				state = "made"
			case slices.Contains(result.Added, file):
				state = "keys added"
			}
			if err := printf(c, "%-11s%s\n", state, file); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}
