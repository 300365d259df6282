package sqlite

import (
	"time"

	"parley/identity"
	"parley/keypkg"
	"parley/mls/wire"
	"parley/uri"
)

type packagesTx struct{ answers }

func newPackagesTx(c *conn) *packagesTx {
	return &packagesTx{answers{c: c, table: &claimAnswers}}
}

func (t *packagesTx) Publish(client uri.Client, packages []keypkg.Package) error {
	if len(packages) == 0 {
		return nil
	}
	n, err := t.c.newClient(client)
	if err != nil {
		return err
	}
	for i := range packages {
		p := &packages[i]
		_, err := t.c.exec(`INSERT INTO package(ref, client, suite, not_before, not_after, taken, octets) VALUES(?, ?, ?, ?, ?, 0, ?)
			ON CONFLICT(ref) DO NOTHING`, filled(p.Ref), n, int64(p.Suite), millis(p.NotBefore), millis(p.NotAfter), filled(p.Octets))
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *packagesTx) Clients(user uri.User) (clients []uri.Client, known bool, err error) {
	accounts := identityTx{t.c}
	if _, known, err = accounts.User(user); err != nil || !known {
		return nil, known, err
	}
	devices, err := accounts.Devices(user)
	for _, d := range devices {
		if d.Revoked.IsZero() {
			clients = append(clients, d.Client)
		}
	}
	return clients, true, err
}

func (t *packagesTx) Available(client uri.Client, suite wire.CipherSuite, now time.Time, limit int) ([]keypkg.Package, error) {
	n, ok, err := t.c.client(client)
	if err != nil || !ok {
		return nil, err
	}
	var out []keypkg.Package
	err = t.c.each(func(r row) (bool, error) {
		out = append(out, keypkg.Package{
			Ref: r.octets(0), Suite: suite, NotBefore: timeOf(r.int(1)), NotAfter: timeOf(r.int(2)), Octets: r.octets(3),
		})
		return true, nil
	}, `SELECT ref, not_before, not_after, octets FROM package
		WHERE taken = 0 AND client = ?1 AND suite = ?2 + 0 AND not_before <= ?3 AND not_after > ?3 ORDER BY id LIMIT ?4 + 0`,
		n, int64(suite), millis(now), int64(limit))
	return out, err
}

func (t *packagesTx) Take(ref []byte) (bool, error) {
	n, err := t.c.exec("UPDATE package SET taken = 1 WHERE ref = ? AND taken = 0", filled(ref))
	return n == 1, err
}

func (t *packagesTx) Count(client uri.Client, now time.Time) (int, error) {
	n, ok, err := t.c.client(client)
	if err != nil || !ok {
		return 0, err
	}
	count, err := t.c.number("SELECT count(*) FROM package WHERE taken = 0 AND client = ?1 AND not_before <= ?2 AND not_after > ?2",
		n, millis(now))
	return int(count), err
}

func (t *packagesTx) Withdraw(client uri.Client) (int, error) {
	n, ok, err := t.c.client(client)
	if err != nil || !ok {
		return 0, err
	}
	deleted, err := t.c.exec("DELETE FROM package WHERE client = ?", n)
	return int(deleted), err
}

func (t *packagesTx) Expire(now time.Time) (int, error) {
	if _, err := t.expire(now); err != nil {
		return 0, err
	}
	n, err := t.c.exec("DELETE FROM package WHERE not_after <= ?", millis(now))
	return int(n), err
}

var _ identity.Tx = identityTx{}
