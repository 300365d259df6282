package client

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"parley/mls"
	"parley/mls/wire"
	"parley/room"
	"parley/syntax"
)

const (
	keyPackages = "kp/"

	// StockWanted is how many unclaimed KeyPackages a device keeps at its provider when its Config does not say.
	StockWanted = 20
	// PackageLife is how long a KeyPackage may be used; packageSlack lets it be used by a peer whose clock is behind.
	PackageLife  = 60 * 24 * time.Hour
	packageSlack = time.Hour
)

func (c *Client) loadStock(ctx context.Context) error {
	records, err := c.cfg.Store.Load(ctx, keyPackages)
	if err != nil {
		return err
	}
	for _, rec := range records {
		c.stock[strings.TrimPrefix(rec.Key, keyPackages)] = true
	}
	return nil
}

// Stock refills the device's KeyPackages at the provider when fewer than low are left there. The private keys are stored before
// the packages are published.
func (c *Client) Stock(ctx context.Context, low int) error {
	available, err := c.cfg.Provider.PublishKeyPackages(ctx, nil)
	if err != nil {
		return err
	}
	missing, err := c.unstocked(ctx)
	if err != nil {
		return err
	}
	suites := c.Suites()
	switch {
	case len(missing) > 0:
		suites, available = missing, 0
	case available >= low*len(suites):
		return nil
	}
	var d mls.Delta
	var publish []wire.KeyPackage
	for k := range c.cfg.Wanted*len(suites) - available {
		bundle, ref, err := c.newBundle(suites[k%len(suites)])
		if err != nil {
			return err
		}
		saved, err := syntax.Marshal(bundle)
		if err != nil {
			return fmt.Errorf("client: KeyPackage: %w", err)
		}
		d.Put(keyPackages+ref, saved)
		c.stock[ref] = true
		publish = append(publish, bundle.KeyPackage)
	}
	if err := c.commit(ctx, d); err != nil {
		return err
	}
	_, err = c.cfg.Provider.PublishKeyPackages(ctx, publish)
	return err
}

// unstocked lists the suites of which the device has no KeyPackage at all: they were offered only since the last time.
func (c *Client) unstocked(ctx context.Context) (missing []wire.CipherSuite, err error) {
	suites := c.Suites()
	if len(suites) == 1 {
		return nil, nil // what is available tells all
	}
	records, err := c.cfg.Store.Load(ctx, keyPackages)
	if err != nil {
		return nil, err
	}
	have := make(map[wire.CipherSuite]bool)
	for _, rec := range records {
		bundle := new(mls.KeyPackageBundle)
		if err := syntax.Unmarshal(rec.Value, bundle); err != nil {
			return nil, fmt.Errorf("client: stored KeyPackage: %w", err)
		}
		have[bundle.KeyPackage.Suite] = true
	}
	for _, id := range suites {
		if !have[id] {
			missing = append(missing, id)
		}
	}
	return missing, nil
}

func (c *Client) newBundle(id wire.CipherSuite) (*mls.KeyPackageBundle, string, error) {
	now := c.cfg.Now()
	extensions, err := room.LeafExtensions()
	if err != nil {
		return nil, "", err
	}
	bundle, err := mls.NewKeyPackage(mls.KeyPackageParams{
		Suite:          id,
		Suites:         c.table(),
		Capabilities:   mls.DefaultCapabilities(c.Suites()...),
		Signer:         c.self.Signer,
		Credential:     c.self.Credential,
		LeafExtensions: extensions,
		Grease:         true,
		Lifetime: wire.Lifetime{
			NotBefore: uint64(now.Add(-packageSlack).Unix()),
			NotAfter:  uint64(now.Add(PackageLife).Unix()),
		},
	})
	if err != nil {
		return nil, "", fmt.Errorf("client: KeyPackage: %w", err)
	}
	ref, err := bundle.Ref(c.table())
	if err != nil {
		return nil, "", fmt.Errorf("client: KeyPackage: %w", err)
	}
	return bundle, hex.EncodeToString(ref), nil
}

// bundleFor finds the private part of a KeyPackage that a Welcome names.
func (c *Client) bundleFor(ctx context.Context, w *wire.Welcome) (ref string, bundle *mls.KeyPackageBundle, err error) {
	for _, s := range w.Secrets {
		ref := hex.EncodeToString(s.NewMember)
		if !c.stock[ref] {
			continue
		}
		records, err := c.cfg.Store.Load(ctx, keyPackages+ref)
		if err != nil {
			return "", nil, err
		}
		if len(records) == 0 {
			continue
		}
		bundle := new(mls.KeyPackageBundle)
		if err := syntax.Unmarshal(records[0].Value, bundle); err != nil {
			return "", nil, fmt.Errorf("client: stored KeyPackage: %w", err)
		}
		return ref, bundle, nil
	}
	return "", nil, nil
}
