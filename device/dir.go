package device

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"parley/client"
	apiclient "parley/clientapi/client"
	"parley/mls"
	store "parley/store/device"
	"parley/uri"
)

// StoreFile is the device's store in its directory.
const StoreFile = "device.db"

// keyLink is where the way to the provider stands in the device's store.
const keyLink = "chat/link"

// Link is the way to the own provider, as `parley chat enrol` keeps it in the device's store.
type Link struct {
	URL      string `json:"url"`
	CA       string `json:"ca,omitempty"` // PEM; empty: the authorities of the system
	Provider string `json:"provider"`
	Token    string `json:"token"`
	// Hybrid are the hybrid suites that the device offers, as --hybrid names them. What it has once offered it must be able to read.
	Hybrid []string `json:"hybrid,omitempty"`
}

// Record is the stored form.
func (l *Link) Record() (mls.Record, error) {
	text, err := json.Marshal(l)
	return mls.Record{Key: keyLink, Value: text}, err
}

// LoadLink reads it back; client.ErrNoAccount when there is none.
func LoadLink(ctx context.Context, from client.Store) (*Link, error) {
	records, err := from.Load(ctx, keyLink)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, client.ErrNoAccount
	}
	l := new(Link)
	if err := json.Unmarshal(records[0].Value, l); err != nil {
		return nil, fmt.Errorf("the stored way to the provider is damaged: %w", err)
	}
	return l, nil
}

// Transport makes the HTTPS transport to the provider.
func (l *Link) Transport() (apiclient.Transport, func(), error) {
	cfg := apiclient.HTTPConfig{Origin: l.URL}
	if l.CA != "" {
		cfg.Roots = x509.NewCertPool()
		if !cfg.Roots.AppendCertsFromPEM([]byte(l.CA)) {
			return nil, nil, apiclient.ErrRoots
		}
	}
	return apiclient.HTTP(cfg)
}

// Open makes the client of the provider; closeIdle gives up its connections.
func (l *Link) Open() (_ *apiclient.Client, closeIdle func(), err error) {
	p, err := uri.ParseProvider(l.Provider)
	if err != nil {
		return nil, nil, fmt.Errorf("the stored way to the provider is damaged: %w", err)
	}
	t, closeIdle, err := l.Transport()
	if err != nil {
		return nil, nil, err
	}
	return apiclient.New(t, p, l.Token), closeIdle, nil
}

// OpenDir opens the device that `parley chat enrol --dir` has enrolled. cfg may set everything but Store, Provider, Authorities and Lanes,
// which are those of the directory. done closes what was opened, after Run.
func OpenDir(ctx context.Context, dir string, cfg Config) (_ *Device, done func() error, err error) {
	db, err := store.Open(ctx, filepath.Join(dir, StoreFile))
	if err != nil {
		return nil, nil, err
	}
	link, err := LoadLink(ctx, db)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	provider, closeIdle, err := link.Open()
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	cfg.Store, cfg.Provider, cfg.Lanes = db, provider, provider.Lanes
	cfg.Authorities = func(ctx context.Context, p uri.Provider) ([]Authority, error) { return authorities(ctx, provider, p) }
	d, err := Open(ctx, cfg)
	if err != nil {
		closeIdle()
		return nil, nil, errors.Join(err, db.Close())
	}
	return d, func() error { closeIdle(); return db.Close() }, nil
}

func authorities(ctx context.Context, c *apiclient.Client, p uri.Provider) ([]Authority, error) {
	list, err := c.Authorities(ctx, p)
	if err != nil {
		return nil, err
	}
	out := make([]Authority, 0, len(list))
	for _, a := range list {
		of, err := uri.ParseProvider(a.Provider)
		if err != nil {
			return nil, err
		}
		out = append(out, Authority{Provider: of, Certificates: a.Certificates})
	}
	return out, nil
}

// Client is the device's client, for use while Run is not running.
func (d *Device) Client() *client.Client { return d.client }
