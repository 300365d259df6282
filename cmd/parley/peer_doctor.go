package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"parley/mimihttp"
	"parley/provider"
	"parley/uri"
)

// doctorResult is the answer of parley peer doctor --json.
type doctorResult struct {
	Domain string           `json:"domain"`
	OK     bool             `json:"ok"` // nothing failed; there may be warnings
	Checks []mimihttp.Check `json:"checks"`
}

func peerDoctorCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor DOMAIN",
		Short: "Find out where the way to a peer ends, and how to mend it",
		Long: `Walk the way to the configured peer DOMAIN as this provider would: address, connection, TLS, directory, clock, the authorities of its
users, and whether it takes us for who we are; then what waits for it here. The first step that fails is named with its cure.

Nothing is changed on either side. What the peer sees when it calls us is only told by the peer: run the same command there.

Exit code 0: the peer can be reached, warnings are printed. Exit code 1: it cannot.`,
		Example: "  parley peer doctor b.example --config /etc/parley/parley.toml\n  parley peer doctor b.example --json",
		Args:    exactArgs(1),
	}
	path := configFlag(c)
	asJSON := jsonFlag(c)
	timeout := c.Flags().Duration("timeout", 30*time.Second, "how long all of it may take")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(c.Context(), *timeout)
		defer cancel()
		result, err := cfg.doctor(ctx, args[0])
		if err != nil {
			return err
		}
		if err := result.print(c, *asJSON); err != nil {
			return err
		}
		if !result.OK {
			return errors.Join(errShown, errors.New("the peer cannot be reached"))
		}
		return nil
	}
	return c
}

// doctor examines one of the configured peers.
func (c *config) doctor(ctx context.Context, domain string) (*doctorResult, error) {
	at, err := uri.ProviderFromDomain(domain)
	if err != nil {
		return nil, usageError{fmt.Errorf("%q is not a domain name", domain)}
	}
	if !c.isPeer(at) {
		return nil, fmt.Errorf("%s is no peer of this provider; add a [[peer]] with domain = %q to %s", at.Domain(), at.Domain(), c.path)
	}
	found := c.inspect(time.Now())
	peer, ok := peerOf(found.peers, at)
	if wrong := found.wrong(); !ok || len(wrong) > 0 {
		return nil, &configError{wrong}
	}
	cert, err := mimihttp.LoadCertificateFiles(c.Federation.CertificateFile, c.Federation.KeyFile)
	if err != nil {
		return nil, err
	}
	out := &doctorResult{Domain: at.Domain(), OK: true}
	out.Checks = mimihttp.Examine(ctx, mimihttp.ClientConfig{
		Self: c.provider(), Peer: at, Certificate: cert.Certificate, Trust: peer.Trust, Address: peer.Address, Timeout: 10 * time.Second,
	})
	out.Checks = append(out.Checks, c.waiting(ctx, at.Domain()))
	for _, check := range out.Checks {
		out.OK = out.OK && check.Verdict != mimihttp.CheckFailed
	}
	return out, nil
}

func peerOf(peers []provider.Peer, at uri.Provider) (provider.Peer, bool) {
	for _, p := range peers {
		if p.Provider == at {
			return p, true
		}
	}
	return provider.Peer{}, false
}

// waiting says what waits here for the peer.
func (c *config) waiting(ctx context.Context, domain string) mimihttp.Check {
	check := mimihttp.Check{Step: "queue", Verdict: mimihttp.CheckSkipped, Found: "the store cannot be read"}
	if _, err := os.Stat(c.Data); err != nil {
		return check
	}
	err := c.operate(ctx, func(o *provider.Operator) error {
		peers, err := o.Peers(ctx)
		if err != nil {
			return err
		}
		check.Verdict, check.Found = mimihttp.CheckOK, "nothing waits for the peer"
		for _, p := range peers {
			if p.Domain == domain {
				judgeQueue(&check, &p)
			}
		}
		return nil
	})
	if err != nil {
		check.Found += ": " + err.Error()
	}
	return check
}

func judgeQueue(check *mimihttp.Check, p *provider.PeerEntry) {
	if p.Changed {
		check.Verdict, check.Found = mimihttp.CheckWarning, "the authorities of its users have changed"
		check.Cure = "ask its operator whether that is right, then parley peer accept " + p.Domain
		return
	}
	q := p.Queue
	if q == nil {
		return
	}
	check.Found = fmt.Sprintf("%d messages in %d rooms wait", q.Messages, q.Rooms)
	if q.Oldest != nil {
		check.Found += ", the oldest since " + q.Oldest.UTC().Format(time.RFC3339)
	}
	if q.Failures > 0 {
		check.Verdict, check.Found = mimihttp.CheckWarning, check.Found+"; the last try failed: "+q.LastError
		check.Cure = "when the steps above are well: parley outbox retry " + p.Domain
	}
	if q.ParkedRooms+q.ParkedItems > 0 {
		check.Verdict, check.Cure = mimihttp.CheckWarning, "some were refused for good: parley outbox list"
	}
}

func (r *doctorResult) print(c *cobra.Command, asJSON bool) error {
	if asJSON {
		return printJSON(c, r)
	}
	for _, check := range r.Checks {
		if err := printf(c, "%-8s %-10s %s\n", check.Verdict, check.Step, check.Found); err != nil {
			return err
		}
		if check.Cure != "" {
			if err := printf(c, "%-19s -> %s\n", "", check.Cure); err != nil {
				return err
			}
		}
	}
	return nil
}
