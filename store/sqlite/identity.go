package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"parley/identity"
	"parley/uri"
)

// Identity are the accounts and pinned authorities of a store.
type Identity struct{ store *Store }

// Update runs f in a transaction.
func (s *Identity) Update(ctx context.Context, f func(identity.Tx) error) error {
	return s.store.update(ctx, func(c *conn) error { return f(identityTx{c}) })
}

// View runs f on a snapshot.
func (s *Identity) View(ctx context.Context, f func(identity.Tx) error) error {
	return s.store.view(ctx, func(c *conn) error { return f(identityTx{c}) })
}

// UpdatePins runs f in a transaction.
func (s *Identity) UpdatePins(ctx context.Context, f func(identity.PinTx) error) error {
	return s.store.update(ctx, func(c *conn) error { return f(identityTx{c}) })
}

// ViewPins runs f on a snapshot.
func (s *Identity) ViewPins(ctx context.Context, f func(identity.PinTx) error) error {
	return s.store.view(ctx, func(c *conn) error { return f(identityTx{c}) })
}

type identityTx struct{ c *conn }

func (t identityTx) User(u uri.User) (identity.User, bool, error) {
	r, ok, err := t.c.one("SELECT created FROM user WHERE uri = ?", u.String())
	if err != nil || !ok {
		return identity.User{}, false, err
	}
	return identity.User{URI: u, Created: timeOf(r.int(0))}, true, nil
}

func (t identityTx) PutUser(u identity.User) error {
	_, err := t.c.exec("INSERT INTO user VALUES(?, ?) ON CONFLICT(uri) DO UPDATE SET created = excluded.created",
		u.URI.String(), millis(u.Created))
	return err
}

func (t identityTx) Users(after string, limit int) ([]identity.User, error) {
	var out []identity.User
	err := t.c.each(func(r row) (bool, error) {
		u, err := uri.ParseUser(r.text(0))
		out = append(out, identity.User{URI: u, Created: timeOf(r.int(1))})
		return true, err
	}, "SELECT uri, created FROM user WHERE uri > ? ORDER BY uri LIMIT ? + 0", after, int64(limit))
	return out, err
}

func (t identityTx) PutCode(c identity.Code) error {
	_, err := t.c.exec("INSERT INTO code VALUES(?, ?, ?) ON CONFLICT(hash) DO UPDATE SET user = excluded.user, expires = excluded.expires",
		c.Hash[:], c.User.String(), millis(c.Expires))
	return err
}

func (t identityTx) TakeCode(h identity.Hash) (identity.Code, bool, error) {
	r, ok, err := t.c.one("DELETE FROM code WHERE hash = ? RETURNING user, expires", h[:])
	if err != nil || !ok {
		return identity.Code{}, false, err
	}
	user, err := uri.ParseUser(r.text(0))
	return identity.Code{Hash: h, User: user, Expires: timeOf(r.int(1))}, err == nil, err
}

func (t identityTx) ExpireCodes(now time.Time) (int, error) {
	n, err := t.c.exec("DELETE FROM code WHERE expires <= ?", millis(now))
	return int(n), err
}

func (t identityTx) DeleteUser(u uri.User) error {
	_, err := t.c.exec("DELETE FROM user WHERE uri = ?", u.String())
	return err
}

const selectDevice = "SELECT client, user, token, created, revoked FROM device WHERE "

func (t identityTx) DeviceByToken(token identity.Hash) (identity.Device, bool, error) {
	found, err := t.devices(selectDevice+"token = ? LIMIT 1", token[:])
	if err != nil || len(found) == 0 {
		return identity.Device{}, false, err
	}
	return found[0], true, nil
}

func (t identityTx) Devices(u uri.User) ([]identity.Device, error) {
	return t.devices(selectDevice+"user = ? ORDER BY client", u.String())
}

func (t identityTx) devices(query string, arg any) ([]identity.Device, error) {
	var out []identity.Device
	err := t.c.each(func(r row) (bool, error) {
		client, err := uri.ParseClient(r.text(0))
		if err != nil {
			return false, err
		}
		user, err := uri.ParseUser(r.text(1))
		if err != nil {
			return false, err
		}
		d := identity.Device{Client: client, User: user, Created: timeOf(r.int(3)), Revoked: timeOf(r.int(4))}
		copy(d.Token[:], r.octets(2))
		out = append(out, d)
		return true, nil
	}, query, arg)
	return out, err
}

func (t identityTx) PutDevice(d identity.Device) error {
	_, err := t.c.exec(`INSERT INTO device VALUES(?, ?, ?, ?, ?) ON CONFLICT(client) DO UPDATE
		SET user = excluded.user, token = excluded.token, created = excluded.created, revoked = excluded.revoked`,
		d.Client.String(), d.User.String(), d.Token[:], millis(d.Created), millis(d.Revoked))
	return err
}

func (t identityTx) Pin(p uri.Provider) (identity.Pin, bool, error) {
	found, err := t.pins("SELECT provider, since, certificates, pending FROM pin WHERE provider = ?", p.String())
	if err != nil || len(found) == 0 {
		return identity.Pin{}, false, err
	}
	return found[0], true, nil
}

func (t identityTx) PutPin(p identity.Pin) error {
	_, err := t.c.exec(`INSERT INTO pin VALUES(?, ?, ?, ?) ON CONFLICT(provider) DO UPDATE
		SET since = excluded.since, certificates = excluded.certificates, pending = excluded.pending`,
		p.Provider.String(), millis(p.Since), joinOctets(p.Set), joinOctets(p.Pending))
	return err
}

func (t identityTx) Pins() ([]identity.Pin, error) {
	return t.pins("SELECT provider, since, certificates, pending FROM pin ORDER BY provider")
}

func (t identityTx) pins(query string, args ...any) ([]identity.Pin, error) {
	var out []identity.Pin
	err := t.c.each(func(r row) (bool, error) {
		provider, err := uri.ParseProvider(r.text(0))
		if err != nil {
			return false, err
		}
		pin := identity.Pin{Provider: provider, Since: timeOf(r.int(1))}
		if pin.Set, err = splitOctets(r.octets(2)); err != nil {
			return false, err
		}
		pin.Pending, err = splitOctets(r.octets(3))
		out = append(out, pin)
		return true, err
	}, query, args...)
	return out, err
}

// joinOctets puts a list into one value: each item behind its length.
func joinOctets(list [][]byte) []byte {
	out := []byte{}
	for _, b := range list {
		out = binary.AppendUvarint(out, uint64(len(b)))
		out = append(out, b...)
	}
	return out
}

var errList = errors.New("sqlite: a stored list is damaged")

func splitOctets(all []byte) ([][]byte, error) {
	var out [][]byte
	for len(all) > 0 {
		n, used := binary.Uvarint(all)
		if used <= 0 || n > uint64(len(all)-used) {
			return nil, errList
		}
		all = all[used:]
		out = append(out, all[:n:n])
		all = all[n:]
	}
	return out, nil
}
