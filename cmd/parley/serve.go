package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"parley/mimihttp"
	"parley/provider"
)

func serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the provider",
		Long: `Run one provider until it is told to stop (SIGTERM, or Ctrl-C). Requests under way are finished first; a second signal ends it at
once. The log goes to standard error.

The configuration is checked first, as by parley check. The process ends with code 1 when its store fails: nothing can be promised
then. Start it again (a service manager does) after the cause is mended.`,
		Example: "  parley serve --config /etc/parley/parley.toml",
		Args:    noArgs,
	}
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		return serve(c.Context(), cfg, c.ErrOrStderr())
	}
	return c
}

func serve(ctx context.Context, c *config, errs io.Writer) (err error) {
	found := c.inspect(time.Now())
	if wrong := found.wrong(); len(wrong) > 0 {
		return &configError{wrong}
	}
	log := c.logger(errs)
	for _, p := range found.problems {
		log.Warn("configuration", "problem", p.String())
	}
	privateFiles()
	collectLater()
	cfg, closeTrace, err := c.providerConfig(ctx, found, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeTrace()) }()
	p, err := provider.New(*cfg)
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// garbage is how much garbage may come on top of what is in use before it is collected, in percent.
const garbage = 300

// collectLater makes the collector run less often, unless GOGC says how often. A provider has little in use and makes garbage with every
// request, so that the usual 100 collects a few megabytes many times a second; under load that was a twelfth of its CPU time.
func collectLater() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
}

func (c *config) logger(out io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: levels()[c.Log.Level]}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}

// providerConfig opens the files that the provider keeps open. The store is the provider's from then on.
func (c *config) providerConfig(ctx context.Context, found *inspection, log *slog.Logger) (*provider.Config, func() error, error) {
	cfg := &provider.Config{
		Provider: c.provider(), Keys: found.keys, Peers: found.peers, Authority: c.Federation.Authority, Socket: c.Admin.Socket, Log: log,
		Limits: c.Limits.limits(), Consent: c.Consent.consent(),
	}
	var err error
	if cfg.Suites, err = suiteTable(c.MLS.HybridSuites); err != nil {
		return nil, nil, err
	}
	if cfg.People, err = c.people(); err != nil {
		return nil, nil, err
	}
	if cfg.Federation, err = endpoint(c.Federation.Listen, c.Federation.CertificateFile, c.Federation.KeyFile); err != nil {
		return nil, nil, err
	}
	if cfg.Client, err = endpoint(c.Client.Listen, c.Client.CertificateFile, c.Client.KeyFile); err != nil {
		return nil, nil, err
	}
	if c.Admin.Listen != off {
		cfg.Admin, cfg.Profile = c.Admin.Listen, c.Admin.Profile
	}
	closeTrace := func() error { return nil }
	if c.Log.TraceFile != "" {
		f, err := os.OpenFile(c.Log.TraceFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return nil, nil, fmt.Errorf("trace file: %w", err)
		}
		cfg.Trace, closeTrace = f, f.Close
	}
	if cfg.Files, err = c.Files.open(); err != nil {
		return nil, nil, errors.Join(err, closeTrace())
	}
	if cfg.Store, err = c.openStore(ctx); err != nil {
		return nil, nil, errors.Join(err, closeTrace())
	}
	return cfg, closeTrace, nil
}

func endpoint(listen, certFile, keyFile string) (provider.Endpoint, error) {
	cert, err := mimihttp.LoadCertificateFiles(certFile, keyFile)
	return provider.Endpoint{Address: listen, Certificate: cert}, err
}

func (c *config) storePath() string { return filepath.Join(c.Data, "parley.db") }

func (c *config) openStore(ctx context.Context) (*provider.Store, error) {
	s, err := provider.OpenSQLite(ctx, c.storePath())
	if errors.Is(err, provider.ErrStoreInUse) {
		return nil, fmt.Errorf("%s is in use: another parley runs with this data directory; stop it first", c.storePath())
	}
	return s, err
}
