package sqlite

import (
	"fmt"

	"parley/uri"
)

// Names of rooms and clients are long and repeat in every row: tables hold numbers in their place. A number is never given to another
// name, so a connection may remember what it has read in a committed state; what a transaction made is forgotten when that is undone.

// remembered is how many names of one kind a connection keeps at hand.
const remembered = 4096

// names is what a connection remembers.
type names[T comparable] struct {
	number map[T]int64
	name   map[int64]T
}

func (n *names[T]) add(name T, number int64) {
	if n.number == nil || len(n.number) >= remembered || len(n.name) >= remembered {
		n.number, n.name = make(map[T]int64), make(map[int64]T)
	}
	n.number[name], n.name[number] = number, name
}

// forget drops what an undone transaction may have made.
func (c *conn) forget() {
	c.rooms, c.users, c.next = names[uri.Room]{}, names[uri.Client]{}, block{}
	if c.groups != nil {
		c.groups = make(map[int64]group)
	}
}

// room returns the number of a room; ok is false when it has none.
func (c *conn) room(name uri.Room) (n int64, ok bool, err error) {
	return lookup(c, &c.rooms, name, "SELECT id FROM room WHERE uri=?")
}

// client returns the number of a client; ok is false when it has none.
func (c *conn) client(name uri.Client) (n int64, ok bool, err error) {
	return lookup(c, &c.users, name, "SELECT id FROM client WHERE uri=?")
}

// Numbers begin at 2: SQLite plans a statement anew when the value in a comparison for equality changes from or to 0 or 1.
const (
	insertRoom   = "INSERT INTO room(id, uri) VALUES((SELECT coalesce(max(id), 1) + 1 FROM room), ?)"
	insertClient = "INSERT INTO client(id, uri) VALUES((SELECT coalesce(max(id), 1) + 1 FROM client), ?)"
)

// newRoom returns the number of a room, a fresh one if it has none.
func (c *conn) newRoom(name uri.Room) (int64, error) {
	if n, ok, err := c.room(name); err != nil || ok {
		return n, err
	}
	return insertName(c, c.room, name, insertRoom)
}

// newClient returns the number of a client, a fresh one if it has none.
func (c *conn) newClient(name uri.Client) (int64, error) {
	if n, ok, err := c.client(name); err != nil || ok {
		return n, err
	}
	return insertName(c, c.client, name, insertClient)
}

func insertName[T fmt.Stringer](c *conn, find func(T) (int64, bool, error), name T, query string) (int64, error) {
	if _, err := c.exec(query, name.String()); err != nil {
		return 0, err
	}
	n, ok, err := find(name)
	if err == nil && !ok {
		return 0, errMissing
	}
	return n, err
}

// lookup and name are the two directions; a name that was never stored is asked for again each time.
func lookup[T interface {
	comparable
	fmt.Stringer
}](c *conn, known *names[T], name T, query string) (int64, bool, error) {
	if n, ok := known.number[name]; ok {
		return n, true, nil
	}
	r, ok, err := c.one(query, name.String())
	if err != nil || !ok {
		return 0, false, err
	}
	n := r.int(0)
	known.add(name, n)
	return n, true, nil
}

func (c *conn) roomName(n int64) (uri.Room, error) {
	return nameOf(c, &c.rooms, n, uri.ParseRoom, "SELECT uri FROM room WHERE id=?")
}

func (c *conn) clientName(n int64) (uri.Client, error) {
	return nameOf(c, &c.users, n, uri.ParseClient, "SELECT uri FROM client WHERE id=?")
}

func nameOf[T comparable](c *conn, known *names[T], n int64, parse func(string) (T, error), query string) (T, error) {
	if name, ok := known.name[n]; ok {
		return name, nil
	}
	var none T
	r, ok, err := c.one(query, n)
	if err != nil {
		return none, err
	}
	if !ok {
		return none, errMissing
	}
	name, err := parse(r.text(0))
	if err != nil {
		return none, err
	}
	known.add(name, n)
	return name, nil
}
