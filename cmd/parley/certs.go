package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"parley/provider/lab"
	"parley/uri"
)

type certsResult struct {
	Authority    lab.Files            `json:"authority"`
	Certificates map[string]lab.Files `json:"certificates"` // by domain
}

func certsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "certs DOMAIN...",
		Short: "Make a private CA and TLS certificates of providers, for a lab",
		Long: `Make a private certificate authority (once per directory) and one TLS certificate for each domain.

The certificates serve both sides of a connection between providers and are valid for a year. A peer that should accept them
lists the authority as ca_file with trust = "private-ca". An existing certificate of a domain is replaced.`,
		Example: "  parley certs --dir lab a.example b.example",
		Args:    cobra.ArbitraryArgs,
	}
	dir := c.Flags().String("dir", ".", "directory of the files")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, domains []string) error {
		if len(domains) == 0 {
			return usageError{fmt.Errorf("no domain given; `parley certs --help` shows how")}
		}
		providers := make([]uri.Provider, len(domains))
		for i, d := range domains {
			var err error
			if providers[i], err = uri.ProviderFromDomain(d); err != nil {
				return usageError{fmt.Errorf("%q is not a domain name", d)}
			}
		}
		now := time.Now()
		authority, err := lab.OpenAuthority(*dir, now)
		if err != nil {
			return fmt.Errorf("lab CA: %w", err)
		}
		result := certsResult{authority.Files, map[string]lab.Files{}}
		for i, d := range domains {
			if result.Certificates[d], err = authority.Issue(*dir, providers[i], now); err != nil {
				return fmt.Errorf("certificate of %s: %w", d, err)
			}
		}
		if *asJSON {
			return printJSON(c, result)
		}
		if err := printf(c, "CA of the lab   %s\n", result.Authority.Certificate); err != nil {
			return err
		}
		for _, d := range domains {
			if err := printf(c, "%-15s %s\n", d, result.Certificates[d].Certificate); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}
