package gatewayd

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"parley/client"
	"parley/clientapi/api"
	apiclient "parley/clientapi/client"
	"parley/device"
	"parley/gateway"
	"parley/mls"
	"parley/mls/suite"
	store "parley/store/device"
	"parley/uri"
)

// unit is the device of one native user.
type unit struct {
	db     *store.Store
	device *device.Device
	face   *gateway.Unit
	news   chan struct{} // one token: something is new
}

// keyToken is where a client's store has the token for the provider.
const keyToken = "gw/token"

// open loads the client of a native user, and enrols it first if there is none.
func (d *Daemon) open(ctx context.Context, n gateway.NativeUser) (_ *unit, err error) {
	db, err := store.Open(ctx, filepath.Join(d.cfg.Dir, "users", n.Name+".db"))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	token, err := d.account(ctx, db, n)
	if err != nil {
		return nil, err
	}
	u := &unit{db: db, news: make(chan struct{}, 1)}
	provider := apiclient.New(d.transport, d.cfg.Provider, token)
	kept := &gateway.Store{Store: db}
	u.device, err = device.Open(ctx, device.Config{Store: kept, Provider: provider,
		Authorities: func(ctx context.Context, p uri.Provider) ([]device.Authority, error) {
			return authorities(ctx, provider, p)
		},
		News: func(device.News) { wake(u.news) },
	})
	if err != nil {
		return nil, err
	}
	u.face = &gateway.Unit{NativeUser: n, User: u.device.Account().User, Store: kept,
		Do: func(ctx context.Context, f func(*client.Client) error) error { return u.device.Do(ctx, f) }}
	return u, nil
}

func authorities(ctx context.Context, c *apiclient.Client, p uri.Provider) ([]device.Authority, error) {
	list, err := c.Authorities(ctx, p)
	if err != nil {
		return nil, err
	}
	var out []device.Authority
	for _, a := range list {
		of, err := uri.ParseProvider(a.Provider)
		if err != nil {
			return nil, err
		}
		out = append(out, device.Authority{Provider: of, Certificates: a.Certificates})
	}
	return out, nil
}

// account returns the token of a client. One that has none is enrolled; if the answer is lost a code and a device name are, too.
func (d *Daemon) account(ctx context.Context, db *store.Store, n gateway.NativeUser) (string, error) {
	saved, err := db.Load(ctx, keyToken)
	if err != nil {
		return "", err
	}
	if len(saved) > 0 {
		var token string
		return token, json.Unmarshal(saved[0].Value, &token)
	}
	code, err := d.cfg.Invite(ctx, n.Name)
	if err != nil {
		return "", &client.RetryError{Err: err}
	}
	enrolled, err := apiclient.Enrol(ctx, d.transport, apiclient.Enrolment{Code: code, Device: "gateway-" + strings.ToLower(rand.Text()[:8]),
		Suite: suite.X25519AES128})
	var refused *api.Error
	if errors.As(err, &refused) {
		return "", &client.RetryError{Err: err} // of this code; another one may do
	}
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(enrolled.Token)
	if err != nil {
		return "", err
	}
	if err := client.SaveAccount(ctx, together{db, mls.Record{Key: keyToken, Value: text}}, enrolled.Account); err != nil {
		return "", err
	}
	return enrolled.Token, d.stock(ctx, db, enrolled.Token)
}

// stock publishes the first KeyPackages, so that others can add the user from now on. What the provider says against it is no failure:
// the device does it when it runs.
func (d *Daemon) stock(ctx context.Context, db client.Store, token string) error {
	c, err := client.Open(ctx, client.Config{Store: db, Provider: apiclient.New(d.transport, d.cfg.Provider, token), Now: time.Now, MLS: &mls.Config{}})
	if err != nil {
		return err
	}
	if err := c.Stock(ctx, 1); errors.Is(err, client.ErrBroken) {
		return err
	}
	return nil
}

// together adds a record to what is stored.
type together struct {
	client.Store
	more mls.Record
}

func (t together) Commit(ctx context.Context, d mls.Delta) error {
	return t.Store.Commit(ctx, append(d, t.more))
}
