package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"parley/client"
	"parley/clientapi/api"
	apiclient "parley/clientapi/client"
	"parley/device"
	"parley/mls"
	"parley/mls/suite"
	store "parley/store/device"
)

// enrolResult is the answer of parley chat enrol --json.
type enrolResult struct {
	User     string `json:"user"`
	Client   string `json:"client"`
	Provider string `json:"provider"` // domain
	Dir      string `json:"dir"`
}

type enrolOptions struct {
	provider, ca, code, dir, device string
	hybrid                          []string
	json                            *bool
}

func chatEnrolCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "enrol",
		Short: "Make this directory a device of a user, once",
		Long: `Register a new device with the one-time code that the provider's operator got from parley user add, and keep its keys, its
messages and the way to the provider in a directory. Whoever can read that directory can read and write as this device.

A code is good for one device. When the provider's answer was lost the code may be spent; ask for another then.`,
		Example: `  parley chat enrol --provider https://chat.a.example --code ABCD-EFGH --dir ~/.parley
  parley chat enrol --provider https://127.0.0.1:8444 --ca lab/ca.crt --code - --dir alice <code.txt`,
		Args: noArgs,
	}
	o := enrolOptions{}
	f := c.Flags()
	f.StringVar(&o.provider, "provider", "", "the provider's URL for clients, https://host[:port] (required)")
	f.StringVar(&o.ca, "ca", "", "PEM file with the authorities of the provider's TLS certificate (default: those of the system)")
	f.StringVar(&o.code, "code", "", "the one-time code; - reads it from standard input (required)")
	f.StringVar(&o.dir, "dir", "", "directory of the device, made if it is not there (required)")
	f.StringVar(&o.device, "device", "", "name of the device among the user's devices, 1-32 of a-z 0-9 - (default: made from the host's name)")
	f.StringSliceVar(&o.hybrid, "hybrid", nil, "as of parley chat")
	o.json = jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c) }
	return c
}

func (o *enrolOptions) run(c *cobra.Command) (err error) {
	if o.provider == "" || o.code == "" || o.dir == "" {
		return usageError{errors.New("--provider, --code and --dir are needed; `parley chat enrol --help` shows how")}
	}
	if o.code == "-" {
		line, err := bufio.NewReader(c.InOrStdin()).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("the code cannot be read: %w", err)
		}
		o.code = strings.TrimSpace(line)
	}
	if o.device == "" {
		o.device = deviceOfHost()
	}
	suites, err := suiteTable(o.hybrid)
	if err != nil {
		return usageError{fmt.Errorf("--hybrid: %w", err)}
	}
	way := &device.Link{URL: o.provider, Hybrid: o.hybrid}
	if o.ca != "" {
		text, err := os.ReadFile(o.ca)
		if err != nil {
			return fmt.Errorf("--ca: %w", err)
		}
		way.CA = string(text)
	}
	enrolled, db, err := o.enrol(c.Context(), way)
	if err != nil {
		return err
	}
	stocked := stock(c.Context(), db, way, suites)
	if err := db.Close(); err != nil {
		return err
	}
	if stocked != nil { // no failure: the first chat does it
		c.PrintErrln("parley: others can add this device to rooms only after its first parley chat:", whyOffline(stocked))
	}
	a := enrolled.Account
	if *o.json {
		return printJSON(c, enrolResult{a.User.String(), a.Client.String(), enrolled.Provider.Domain(), o.dir})
	}
	return printf(c, "enrolled %s\ndevice   %s\nchat     parley chat --dir %s\n", shortUser(a.User.String()), a.Client, o.dir)
}

// enrol opens the store before it spends the code, and stores everything in one write right afterwards.
func (o *enrolOptions) enrol(ctx context.Context, way *device.Link) (_ *apiclient.Enrolled, _ *store.Store, err error) {
	t, closeIdle, err := way.Transport()
	switch {
	case errors.Is(err, apiclient.ErrOrigin):
		return nil, nil, usageError{errors.New("--provider must be https://host or https://host:port")}
	case errors.Is(err, apiclient.ErrRoots):
		return nil, nil, fmt.Errorf("--ca: %s holds no certificate in PEM", o.ca)
	case err != nil:
		return nil, nil, err
	}
	defer closeIdle()
	db, err := openDevice(ctx, filepath.Join(o.dir, storeFile))
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	known, err := client.LoadAccount(ctx, db)
	if err == nil {
		return nil, nil, fmt.Errorf("%s is %s already; choose another directory for another device", o.dir, shortUser(known.User.String()))
	}
	if !errors.Is(err, client.ErrNoAccount) {
		return nil, nil, err
	}
	enrolled, err := apiclient.Enrol(ctx, t, apiclient.Enrolment{Code: o.code, Device: o.device, Suite: suite.X25519AES128})
	if err != nil {
		return nil, nil, o.explain(err)
	}
	way.Provider, way.Token = enrolled.Provider.String(), enrolled.Token
	record, err := way.Record()
	if err != nil {
		return nil, nil, err
	}
	if err := client.SaveAccount(ctx, together{db, record}, enrolled.Account); err != nil {
		return nil, nil, fmt.Errorf("the device was enrolled but could not be stored, so the code is spent: %w", err)
	}
	return enrolled, db, nil
}

// stock publishes the device's first KeyPackages, so that others can add it to rooms from now on.
func stock(ctx context.Context, db client.Store, way *device.Link, suites *suite.Table) error {
	provider, closeIdle, err := way.Open()
	if err != nil {
		return err
	}
	defer closeIdle()
	c, err := client.Open(ctx, client.Config{Store: db, Provider: provider, Now: time.Now, MLS: &mls.Config{Suites: suites}})
	if err != nil {
		return err
	}
	return c.Stock(ctx, 1)
}

// together adds a record to what is stored.
type together struct {
	client.Store
	more mls.Record
}

func (t together) Commit(ctx context.Context, d mls.Delta) error {
	return t.Store.Commit(ctx, append(d, t.more))
}

// explain says why an enrolment failed and what to do.
func (o *enrolOptions) explain(err error) error {
	var refused *api.Error
	var retry *client.RetryError
	switch {
	case errors.As(err, &refused) && refused.Code == api.NotFound && strings.HasPrefix(refused.Detail, "the provider answered"):
		return fmt.Errorf("what answers at %s is not a provider's address for clients; ask the provider's operator for it", o.provider)
	case errors.As(err, &refused) && refused.Code == api.NotFound:
		return errors.New("the code is not valid: it was used, has expired, or was mistyped. The provider's operator makes another with `parley user add`")
	case errors.As(err, &refused) && refused.Code == api.Conflict:
		return errors.New("a device of that name was enrolled before; choose another with --device. The code can still be used")
	case errors.As(err, &refused) && !errors.As(err, &retry):
		return fmt.Errorf("the provider refused: %s", cleanLine(detail(refused)))
	case errors.As(err, &retry):
		return fmt.Errorf("%s: %s. Try again with the same code; if it is refused then, the answer was lost and you need another", o.provider, whyOffline(err))
	case errors.Is(err, apiclient.ErrNames), errors.Is(err, apiclient.ErrCredential), errors.Is(err, apiclient.ErrSuite):
		return fmt.Errorf("%w; the code is spent: tell the provider's operator", err)
	}
	return err
}

func detail(e *api.Error) string {
	if e.Detail != "" {
		return e.Detail
	}
	return string(e.Code)
}

// deviceOfHost makes a device name that was hardly used before.
func deviceOfHost() string {
	host, err := os.Hostname()
	if err != nil {
		host = "chat"
	}
	name := slug(host)
	return name[:min(len(name), 24)] + "-" + random(4)
}
