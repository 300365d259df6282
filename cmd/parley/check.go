package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"
)

// checkResult is the answer of parley check --json.
type checkResult struct {
	File     string    `json:"file"`
	OK       bool      `json:"ok"` // the provider can run; there may be warnings
	Problems []problem `json:"problems"`
}

func checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Check a configuration without starting anything",
		Long: `Check the configuration and the files that it names: unknown keys, certificates and keys, their domain, validity and file modes,
listeners that clash, the CA, the peers' files. Nothing is written and nothing is asked of the network.

Exit code 0: the provider can run, warnings are printed. Exit code 3: it cannot.`,
		Example: "  parley check --config /etc/parley/parley.toml\n  parley check --json",
		Args:    noArgs,
	}
	path := configFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		problems, err := checkFile(*path, time.Now())
		if err != nil {
			return err
		}
		result := checkResult{File: *path, OK: true, Problems: problems}
		for _, p := range problems {
			result.OK = result.OK && p.Warning
		}
		if err := result.print(c, *asJSON); err != nil {
			return err
		}
		if !result.OK {
			return errors.Join(errShown, &configError{problems})
		}
		return nil
	}
	return c
}

// checkFile finds what is wrong with a configuration; the error is that of something else.
func checkFile(path string, now time.Time) ([]problem, error) {
	c, err := readConfig(path)
	var wrong *configError
	switch {
	case errors.As(err, &wrong):
		return wrong.problems, nil
	case err != nil:
		return nil, err
	}
	return append([]problem{}, c.inspect(now).problems...), nil
}

func (r *checkResult) print(c *cobra.Command, asJSON bool) error {
	if asJSON {
		return printJSON(c, r)
	}
	for _, p := range r.Problems {
		if err := printf(c, "%s\n", p); err != nil {
			return err
		}
	}
	if r.OK {
		return printf(c, "%s: ok\n", r.File)
	}
	return nil
}
