package sqlite

import (
	"time"

	"parley/consent"
	"parley/contact"
	"parley/uri"
)

// Contact is contact's part.
func (s *Store) Contact() contact.Store {
	update, view := runner(s, func(c *conn) contact.Tx { return &contactTx{c} })
	return contact.Store{Update: update, View: view}
}

type contactTx struct{ c *conn }

func (t *contactTx) Known(user uri.User) (bool, error) {
	_, known, err := identityTx{t.c}.User(user)
	return known, err
}

const selectConsent = "SELECT owner, side, other, room, standing, at, packages, sum FROM consent WHERE "

func (t *contactTx) pick(query string, args ...any) ([]contact.Entry, error) {
	var out []contact.Entry
	err := t.c.each(func(r row) (bool, error) {
		owner, err := uri.ParseUser(r.text(0))
		if err != nil {
			return false, err
		}
		e := contact.Entry{Owner: owner, Side: contact.Side(r.int(1)), Other: r.text(2),
			Record: consent.Record{Standing: consent.Standing(r.int(4)), At: timeOf(r.int(5))}}
		if e.Room, err = roomOf(r.text(3)); err != nil {
			return false, err
		}
		e.Packages, err = splitOctets(r.octets(6))
		copy(e.Sum[:], r.octets(7))
		out = append(out, e)
		return true, err
	}, selectConsent+query, args...)
	return out, err
}

// roomOf reads a room that may be absent.
func roomOf(text string) (uri.Room, error) {
	if text == "" {
		return uri.Room{}, nil
	}
	return uri.ParseRoom(text)
}

func (t *contactTx) Entries(owner uri.User, side contact.Side, other string) ([]contact.Entry, error) {
	return t.pick("owner = ? AND side = ? + 0 AND other = ? ORDER BY room", owner.String(), int64(side), other)
}

func (t *contactTx) List(owner uri.User) ([]contact.Entry, error) {
	return t.pick("owner = ? ORDER BY side, other, room", owner.String())
}

func (t *contactTx) Put(e contact.Entry) error {
	if e.Record.Standing == consent.None {
		_, err := t.c.exec("DELETE FROM consent WHERE owner = ? AND side = ? + 0 AND other = ? AND room = ?",
			e.Owner.String(), int64(e.Side), e.Other, e.Room.String())
		return err
	}
	other, err := uri.Parse(e.Other)
	if err != nil {
		return err
	}
	_, err = t.c.exec(`INSERT INTO consent(owner, side, other, room, provider, standing, at, packages, sum) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT(owner, side, other, room) DO UPDATE SET standing = excluded.standing, at = excluded.at, packages = excluded.packages,
		sum = excluded.sum`, e.Owner.String(), int64(e.Side), e.Other, e.Room.String(), other.Domain(), int64(e.Record.Standing),
		millis(e.Record.At), joinOctets(e.Packages), e.Sum[:])
	return err
}

func (t *contactTx) Waiting(requesters uri.Provider) (int, error) {
	n, err := t.c.number("SELECT count(*) FROM consent WHERE provider = ? AND side = 0 AND standing = 1", requesters.Domain())
	return int(n), err
}

func (t *contactTx) Expire(before time.Time) (int, error) {
	n, err := t.c.exec("DELETE FROM consent WHERE standing = 1 AND at < ?", millis(before))
	return int(n), err
}

func (t *contactTx) Errands(limit int) ([]contact.Errand, error) {
	var out []contact.Errand
	err := t.c.each(func(r row) (bool, error) {
		e := contact.Errand{ID: r.uint(0), Silent: r.int(3) != 0, Due: timeOf(r.int(4)), Tries: int(r.int(5)), Body: r.octets(6)}
		var err error
		if r.text(1) != "" {
			if e.To, err = uri.ProviderFromDomain(r.text(1)); err != nil {
				return false, err
			}
		}
		e.User, err = uri.ParseUser(r.text(2))
		out = append(out, e)
		return true, err
	}, "SELECT id, destination, user, silent, due, tries, octets FROM errand WHERE id > 0 ORDER BY id LIMIT ? + 0", int64(limit))
	return out, err
}

func (t *contactTx) PutErrand(e contact.Errand) error {
	var err error
	switch {
	case e.ID == 0 && !e.Due.IsZero():
		domain := ""
		if !e.To.IsZero() {
			domain = e.To.Domain()
		}
		_, err = t.c.exec("INSERT INTO errand(destination, user, silent, due, tries, octets) VALUES(?, ?, ?, ?, ?, ?)", domain,
			e.User.String(), flag(e.Silent), millis(e.Due), int64(e.Tries), filled(e.Body))
	case e.Due.IsZero():
		_, err = t.c.exec("DELETE FROM errand WHERE id = ? + 0", int64(e.ID))
	default:
		_, err = t.c.exec("UPDATE errand SET due = ?, tries = ? WHERE id = ? + 0", millis(e.Due), int64(e.Tries), int64(e.ID))
	}
	return err
}
