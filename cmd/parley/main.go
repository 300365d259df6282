// Command parley runs and administers a MIMI provider, and is a client of one.
//
// Exit codes of every subcommand: 0 done; 1 it failed, the last line on standard error says why and what to do; 2 the command
// line is wrong; 3 the configuration is wrong.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

const (
	exitFailed = 1
	exitUsage  = 2
	exitConfig = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process: tests call it.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !errors.Is(err, errShown) {
		if _, werr := fmt.Fprintln(errs, "parley:", err); werr != nil {
			return exitFailed
		}
	}
	return exitCode(err)
}

// errShown marks a failure whose explanation was printed already.
var errShown = errors.New("shown")

// usageError is a wrong command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func exitCode(err error) int {
	var usage usageError
	var config *configError
	switch {
	case errors.As(err, &config):
		return exitConfig
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailed
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "parley",
		Short: "Federated, end-to-end encrypted chat: a MIMI provider and its tools",
		Long: `Parley is a MIMI provider: federated chat, end-to-end encrypted with MLS.

Exit codes of every subcommand: 0 done; 1 failed; 2 wrong command line; 3 wrong configuration.`,
		Example: `  parley certs --dir lab a.example b.example
  parley ca init --config a.toml
  parley check --config a.toml
  parley serve --config a.toml
  parley user add alice --config a.toml`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; `%s --help` shows how", err, c.CommandPath())}
	})
	root.AddCommand(
		serveCommand(),
		checkCommand(),
		userCommand(),
		peerCommand(),
		outboxCommand(),
		abuseCommand(),
		roomCommand(),
		caCommand(),
		certsCommand(),
		chatCommand(),
		benchCommand(),
		gatewayCommand(),
		demoCommand(),
		mlsCommand(),
		versionCommand(),
	)
	return root
}

func noArgs(c *cobra.Command, args []string) error { return exactArgs(0)(c, args) }

func exactArgs(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("%d arguments instead of %d; `%s --help` shows how", len(args), n, c.CommandPath())}
		}
		return nil
	}
}

// configFlag adds --config.
func configFlag(c *cobra.Command) *string {
	return c.Flags().StringP("config", "c", "parley.toml", "configuration file")
}

// jsonFlag adds --json.
func jsonFlag(c *cobra.Command) *bool {
	return c.Flags().Bool("json", false, "print JSON instead of text")
}

// printJSON prints one value on one line.
func printJSON(c *cobra.Command, v any) error {
	return json.NewEncoder(c.OutOrStdout()).Encode(v)
}

func printf(c *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintf(c.OutOrStdout(), format, args...)
	return err
}
