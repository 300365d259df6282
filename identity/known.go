package identity

import (
	"sync"
	"time"
)

// known remembers for a short time which tokens were good, because devices show theirs with every request. Only successes are kept: a
// wrong token cannot push good ones out.
type known struct {
	mu      sync.Mutex
	by      map[Hash]remembered
	changes uint64 // revocations; what was read before one is not kept after it
}

type remembered struct {
	device Device
	until  time.Time
}

const (
	rememberFor    = 10 * time.Second
	mostRemembered = 1 << 16
)

// find returns the device of a token that was good a moment ago, and what keep wants to know.
func (k *known) find(token Hash, now time.Time) (d Device, found bool, changes uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, ok := k.by[token]
	return r.device, ok && now.Before(r.until), k.changes
}

// keep remembers a token that was good when there had been so many changes.
func (k *known) keep(token Hash, d Device, changes uint64, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if changes != k.changes {
		return
	}
	if k.by == nil || len(k.by) >= mostRemembered {
		k.by = make(map[Hash]remembered)
	}
	k.by[token] = remembered{d, now.Add(rememberFor)}
}

// forget drops everything: a token may not be good any more.
func (k *known) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.by = nil
	k.changes++
}
