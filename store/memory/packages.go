package memory

import (
	"context"
	"slices"
	"time"

	"parley/identity"
	"parley/keypkg"
	"parley/mls/wire"
	"parley/uri"
)

// background is for the accounts, which are another table of the same process.
var background = context.Background()

// kept is a published KeyPackage.
type kept struct {
	keypkg.Package
	client uri.Client
	taken  bool
}

type packagesTx struct {
	*tx
	store *Store
}

func (t *packagesTx) Publish(client uri.Client, packages []keypkg.Package) error {
	for _, p := range packages {
		ref := string(p.Ref)
		if _, known := t.packages[ref]; known {
			continue
		}
		if err := put(t.tx, t.packages, ref, kept{Package: p, client: client}); err != nil {
			return err
		}
		if err := put(t.tx, t.stocks, client, append(slices.Clip(t.stocks[client]), ref)); err != nil {
			return err
		}
	}
	return nil
}

func (t *packagesTx) Clients(user uri.User) (clients []uri.Client, known bool, err error) {
	err = t.store.Accounts.view(background, func(a *identityState) error {
		if _, known, err = a.User(user); err != nil || !known {
			return err
		}
		devices, err := a.Devices(user)
		for _, d := range devices {
			if d.Revoked.IsZero() {
				clients = append(clients, d.Client)
			}
		}
		return err
	})
	return clients, known, err
}

func (t *packagesTx) usable(client uri.Client, now time.Time) []kept {
	var out []kept
	for _, ref := range t.stocks[client] {
		p := t.packages[ref]
		if !p.taken && !now.Before(p.NotBefore) && now.Before(p.NotAfter) {
			out = append(out, p)
		}
	}
	return out
}

func (t *packagesTx) Available(client uri.Client, suite wire.CipherSuite, now time.Time, limit int) ([]keypkg.Package, error) {
	var out []keypkg.Package
	for _, p := range t.usable(client, now) {
		if p.Suite == suite && len(out) < limit {
			out = append(out, p.Package)
		}
	}
	return out, nil
}

func (t *packagesTx) Take(ref []byte) (bool, error) {
	p, ok := t.packages[string(ref)]
	if !ok || p.taken {
		return false, nil
	}
	p.taken = true
	return true, put(t.tx, t.packages, string(ref), p)
}

func (t *packagesTx) Count(client uri.Client, now time.Time) (int, error) {
	return len(t.usable(client, now)), nil
}

func (t *packagesTx) Withdraw(client uri.Client) (int, error) {
	n := 0
	for _, ref := range t.stocks[client] {
		if err := drop(t.tx, t.packages, ref); err != nil {
			return n, err
		}
		n++
	}
	return n, drop(t.tx, t.stocks, client)
}

func (t *packagesTx) Answer(request [32]byte) ([]byte, bool, error) {
	return t.answer(answerKey{'k', request})
}

func (t *packagesTx) SaveAnswer(request [32]byte, octets []byte, expires time.Time) error {
	return put(t.tx, t.answers, answerKey{'k', request}, answer{slices.Clone(octets), expires})
}

func (t *packagesTx) Expire(now time.Time) (int, error) {
	n := 0
	for _, client := range sortedBy(t.stocks, byText[uri.Client]) {
		var stay []string
		for _, ref := range t.stocks[client] {
			if t.packages[ref].NotAfter.After(now) {
				stay = append(stay, ref)
				continue
			}
			if err := drop(t.tx, t.packages, ref); err != nil {
				return n, err
			}
			n++
		}
		if err := put(t.tx, t.stocks, client, stay); err != nil {
			return n, err
		}
	}
	_, err := t.expireAnswers('k', now)
	return n, err
}

// AddClient makes a user, if there is none, with a device.
func (s *Store) AddClient(user uri.User, client uri.Client) error {
	return s.Accounts.Update(background, func(t identity.Tx) error {
		if err := t.PutUser(identity.User{URI: user}); err != nil {
			return err
		}
		return t.PutDevice(identity.Device{Client: client, User: user})
	})
}
