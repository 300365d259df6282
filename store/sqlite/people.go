package sqlite

import (
	"context"
	"time"

	"parley/identity"
	"parley/mimi"
	"parley/uri"
)

// UpdatePeople runs f in a transaction.
func (s *Identity) UpdatePeople(ctx context.Context, f func(identity.PeopleTx) error) error {
	return s.store.update(ctx, func(c *conn) error { return f(identityTx{c}) })
}

// ViewPeople runs f on a snapshot.
func (s *Identity) ViewPeople(ctx context.Context, f func(identity.PeopleTx) error) error {
	return s.store.view(ctx, func(c *conn) error { return f(identityTx{c}) })
}

const entryColumns = "type, name, key, value, proof, since, reach"

// entryOf reads the entryColumns that begin at column i.
func entryOf(r row, i int) identity.Entry {
	return identity.Entry{
		Type: mimi.SearchType(r.int(i)), Name: r.text(i + 1), Key: r.text(i + 2), Value: r.text(i + 3), Proof: identity.Proof(r.int(i + 4)),
		Since: timeOf(r.int(i + 5)), Reach: identity.Reach(r.text(i + 6)),
	}
}

func (t identityTx) Person(u uri.User) (identity.Person, bool, error) {
	r, ok, err := t.c.one("SELECT reach FROM person WHERE user = ?", u.String())
	if err != nil || !ok {
		return identity.Person{}, false, err
	}
	p := identity.Person{User: u, Reach: identity.Reach(r.text(0))}
	err = t.c.each(func(r row) (bool, error) {
		p.Entries = append(p.Entries, entryOf(r, 0))
		return true, nil
	}, "SELECT "+entryColumns+" FROM fact WHERE user = ? ORDER BY place", u.String())
	return p, err == nil, err
}

func (t identityTx) PutPerson(p identity.Person) error {
	user := p.User.String()
	if _, err := t.c.exec("INSERT INTO person VALUES(?, ?) ON CONFLICT(user) DO UPDATE SET reach = excluded.reach", user, string(p.Reach)); err != nil {
		return err
	}
	if _, err := t.c.exec("DELETE FROM fact WHERE user = ?", user); err != nil {
		return err
	}
	for i, e := range p.Entries {
		if _, err := t.c.exec("INSERT INTO fact VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", user, int64(i), int64(e.Type), e.Name, e.Key, e.Value,
			identity.Fold(e.Value), int64(e.Proof), millis(e.Since), string(e.Reach)); err != nil {
			return err
		}
	}
	return nil
}

func (t identityTx) DeletePerson(u uri.User) error {
	if _, err := t.c.exec("DELETE FROM fact WHERE user = ?", u.String()); err != nil {
		return err
	}
	_, err := t.c.exec("DELETE FROM person WHERE user = ?", u.String())
	return err
}

const selectFound = "SELECT e.user, p.reach, e.type, e.name, e.key, e.value, e.proof, e.since, e.reach FROM fact e CROSS JOIN person p ON p.user = e.user WHERE "

func (t identityTx) Find(kind mimi.SearchType, name, key string, limit int) ([]identity.Found, error) {
	return t.found(selectFound+"e.type = ? AND e.name = ? AND e.key = ? ORDER BY e.user, e.place LIMIT ? + 0", int64(kind), name, key, int64(limit))
}

func (t identityTx) Scan(part string, limit int) ([]identity.Found, error) {
	return t.found(selectFound+"instr(e.folded, ?) > 0 ORDER BY e.user, e.place LIMIT ? + 0", part, int64(limit))
}

func (t identityTx) found(query string, args ...any) ([]identity.Found, error) {
	var out []identity.Found
	err := t.c.each(func(r row) (bool, error) {
		u, err := uri.ParseUser(r.text(0))
		out = append(out, identity.Found{User: u, Person: identity.Reach(r.text(1)), Entry: entryOf(r, 2)})
		return true, err
	}, query, args...)
	return out, err
}

func (t identityTx) Strangers(limit int) ([]uri.User, error) {
	var out []uri.User
	err := t.c.each(func(r row) (bool, error) {
		u, err := uri.ParseUser(r.text(0))
		out = append(out, u)
		return true, err
	}, "SELECT uri FROM user WHERE NOT EXISTS (SELECT 1 FROM person WHERE person.user = user.uri) ORDER BY uri LIMIT ? + 0", int64(limit))
	return out, err
}

func (t identityTx) PutPending(p identity.Pending) error {
	_, err := t.c.exec(`INSERT INTO pending VALUES(?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(user, type, key) DO UPDATE SET value = excluded.value,
		code = excluded.code, sent = excluded.sent, expires = excluded.expires, tries = excluded.tries`,
		p.User.String(), int64(p.Type), p.Key, p.Value, p.Code[:], millis(p.Sent), millis(p.Expires), int64(p.Tries))
	return err
}

const selectPending = "SELECT user, type, key, value, code, sent, expires, tries FROM pending WHERE "

func (t identityTx) Pending(u uri.User, kind mimi.SearchType, key string) (identity.Pending, bool, error) {
	found, err := t.pending(selectPending+"user = ? AND type = ? AND key = ?", u.String(), int64(kind), key)
	if err != nil || len(found) == 0 {
		return identity.Pending{}, false, err
	}
	return found[0], true, nil
}

func (t identityTx) PendingOf(u uri.User) ([]identity.Pending, error) {
	return t.pending(selectPending+"user = ? ORDER BY type, key", u.String())
}

func (t identityTx) pending(query string, args ...any) ([]identity.Pending, error) {
	var out []identity.Pending
	err := t.c.each(func(r row) (bool, error) {
		u, err := uri.ParseUser(r.text(0))
		p := identity.Pending{User: u, Type: mimi.SearchType(r.int(1)), Key: r.text(2), Value: r.text(3), Sent: timeOf(r.int(5)),
			Expires: timeOf(r.int(6)), Tries: int(r.int(7))}
		copy(p.Code[:], r.octets(4))
		out = append(out, p)
		return true, err
	}, query, args...)
	return out, err
}

func (t identityTx) DeletePending(u uri.User, kind mimi.SearchType, key string) error {
	_, err := t.c.exec("DELETE FROM pending WHERE user = ? AND type = ? AND key = ?", u.String(), int64(kind), key)
	return err
}

func (t identityTx) ExpirePending(now time.Time) (int, error) {
	n, err := t.c.exec("DELETE FROM pending WHERE expires <= ?", millis(now))
	return int(n), err
}

func (t identityTx) AddChange(c identity.Change) error {
	_, err := t.c.exec("INSERT INTO change(at, user, type, key, what) VALUES(?, ?, ?, ?, ?)", millis(c.At), c.User.String(), int64(c.Type), c.Key,
		int64(c.What))
	return err
}

func (t identityTx) Changes(u uri.User, limit int) ([]identity.Change, error) {
	var out []identity.Change
	err := t.c.each(func(r row) (bool, error) {
		out = append(out, identity.Change{At: timeOf(r.int(0)), User: u, Type: mimi.SearchType(r.int(1)), Key: r.text(2),
			What: identity.ChangeKind(r.int(3))})
		return true, nil
	}, "SELECT at, type, key, what FROM change WHERE user = ? ORDER BY id DESC LIMIT ? + 0", u.String(), int64(limit))
	return out, err
}

func (t identityTx) DeleteChanges(u uri.User) error {
	_, err := t.c.exec("DELETE FROM change WHERE user = ?", u.String())
	return err
}

func (t identityTx) ExpireChanges(before time.Time) (int, error) {
	n, err := t.c.exec("DELETE FROM change WHERE at < ?", millis(before))
	return int(n), err
}
