package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"parley/gateway"
	"parley/gatewayd"
	"parley/provider"
)

func gatewayCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "gateway",
		Short: "Let users of other chat networks take part as users of the provider",
		Long: `Run a gateway: users of IRC and other networks become users of the provider, whose names begin with the network's (irc.bob), and take
part in rooms. Their keys are held by this process and not by them, so their messages are not end-to-end encrypted to the person;
everybody in a room is shown that.

The gateway is a client of its provider. It asks the provider's admin socket for the enrolment codes of its users.`,
		Example: "  parley gateway --config gateway.toml\n  parley gateway explain",
		Args:    noArgs,
	}
	path := c.Flags().StringP("config", "c", "gateway.toml", "configuration file of the gateway")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := readGatewayConfig(*path)
		if err != nil {
			return err
		}
		return cfg.run(c.Context(), slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil)))
	}
	c.AddCommand(gatewayExplainCommand())
	return c
}

// run is the gateway until ctx ends.
func (g *gatewayConfig) run(ctx context.Context, log *slog.Logger) error {
	privateFiles()
	natives, err := g.natives()
	if err != nil {
		return err
	}
	cfg := gatewayd.Config{Dir: g.Data, Provider: g.provider, URL: g.URL, Natives: natives, Users: g.users(), Log: log, Invite: g.invite}
	if g.CAFile != "" {
		if cfg.CA, err = os.ReadFile(g.CAFile); err != nil {
			return &configError{[]problem{{File: g.path, Key: "ca_file", Problem: reason(err)}}}
		}
	}
	cfg.Ready = func(*gateway.Gateway) { log.Info("gateway runs", "provider", g.Provider, "networks", len(natives)) }
	return gatewayd.Run(ctx, cfg)
}

// invite gets a code from the provider's operator socket.
func (g *gatewayConfig) invite(ctx context.Context, name string) (string, error) {
	o, err := provider.Dial(ctx, g.AdminSocket)
	if err != nil {
		return "", err
	}
	made, err := o.Invite(ctx, name)
	if err != nil {
		return "", err
	}
	return made.Code, nil
}

func gatewayExplainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain",
		Short: "What each network carries, in both directions",
		Long: `Print what becomes of each feature on each network, in both directions: full, partial, fallback (something readable stands in its
place), dropped, or rejected. The table is what the connectors declare; doc/gateway.md has the same.`,
		Example: "  parley gateway explain --network irc\n  parley gateway explain --json",
		Args:    noArgs,
	}
	asJSON := jsonFlag(c)
	network := c.Flags().String("network", "", "one network only")
	markdown := c.Flags().Bool("markdown", false, "as the tables of doc/gateway.md")
	c.RunE = func(c *cobra.Command, _ []string) error {
		var list []gateway.Capabilities
		for _, of := range allNetworks() {
			if *network == "" || *network == of.Network {
				list = append(list, of)
			}
		}
		if len(list) == 0 {
			return usageError{errors.New("there is no such network; without --network all are shown")}
		}
		switch {
		case *asJSON:
			return printJSON(c, gateway.Explain(list))
		case *markdown:
			return printf(c, "%s", gateway.Table(list))
		}
		for _, r := range gateway.Explain(list) {
			if err := printf(c, "%-8s %-18s %-4s %-9s %s\n", r.Network, r.Feature, r.Direction, r.Level, r.How); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

// secretFile reads a password or key: the first line of a file.
func secretFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %s", path, reason(err))
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return line, nil
}
