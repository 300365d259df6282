package simtest

import (
	"bytes"
	"errors"

	"parley/mimi"
	"parley/uri"
)

// lanes watches the notifications of hubs: at most one of a lane is in flight, and what may have arrived is repeated octet
// for octet (promise D4).
type lanes struct {
	world *World
	open  map[laneKey]*sending
	last  map[laneKey]*sending
}

type laneKey struct {
	from, to string
	room     uri.Room
}

// sending is one notification.
type sending struct {
	key     laneKey
	life    int // of the hub's process
	octets  []byte
	settled bool // taken, or refused for good, as far as the hub knows
}

func newLanes(w *World) *lanes {
	return &lanes{world: w, open: make(map[laneKey]*sending), last: make(map[laneKey]*sending)}
}

func (l *lanes) begin(k *link, at uri.Room, octets []byte) *sending {
	s := &sending{key: laneKey{k.from.name, k.to.name, at}, life: k.from.life, octets: octets}
	if other := l.open[s.key]; other != nil && other.life == s.life {
		l.world.fail("one in flight", "%s sends two batches of %s to %s at once", k.from.name, l.world.short(at), k.to.name)
	}
	if before := l.last[s.key]; before != nil && !before.settled && !bytes.Equal(before.octets, octets) {
		l.world.fail("frozen batches", "%s repeats a batch of %s to %s with other octets", k.from.name, l.world.short(at), k.to.name)
	}
	l.open[s.key], l.last[s.key] = s, s
	return s
}

func (l *lanes) end(s *sending, err error) {
	if l.open[s.key] == s {
		delete(l.open, s.key)
	}
	var known *mimi.Error
	s.settled = err == nil || errors.As(err, &known) && (known.Code == mimi.BadRequest || known.Code == mimi.TooLarge)
	if err == nil {
		l.world.count("notified")
	}
}
