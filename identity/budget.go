package identity

import (
	"hash/maphash"
	"time"

	"parley/mimi"
	"parley/uri"
)

// hour counts what happened since it began.
type hour struct {
	since time.Time
	n     int
}

// mayCode counts a code that is to be sent, unless there were too many in this hour.
func (p *People) mayCode(of string, most int, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.codes == nil || len(p.codes) > mostCounters {
		p.codes = make(map[string]*hour)
	}
	h := p.codes[of]
	if h == nil || now.Sub(h.since) >= time.Hour {
		h = &hour{since: now}
		p.codes[of] = h
	}
	h.n++
	return h.n <= most
}

// mostCounters bounds the memory: above it all counters begin anew, which errs on the side of serving.
const mostCounters = 1 << 14

// budget is what one asker has asked for. Identifiers are kept as hashes with a key of this process.
type budget struct {
	asker    uri.Provider
	day      time.Time
	seen     map[uint64]struct{}
	misses   hour
	warned   time.Time
	mostSeen int
	mostMiss int
}

var budgetSeed = maphash.MakeSeed()

// between two alarms about one asker.
const alarmEvery = 10 * time.Minute

// spend takes the query's identifiers from the asker's budget.
func (p *People) spend(asker uri.Provider, by uri.User, elements []element) (*budget, error) {
	now := p.Now()
	p.mu.Lock()
	b := p.budget(asker, by, now)
	wait, reason := b.take(elements, now)
	alarm := wait > 0 && b.warn(now)
	p.mu.Unlock()
	if alarm && p.Alarm != nil {
		p.Alarm(asker, reason)
	}
	if wait > 0 {
		return nil, &mimi.Error{Code: mimi.TooMany, Detail: reason, RetryAfter: wait}
	}
	return b, nil
}

func (p *People) budget(asker uri.Provider, by uri.User, now time.Time) *budget {
	key, s := asker.Domain(), p.Policy
	mostSeen, mostMiss := or(s.Daily, 50_000), or(s.Misses, 1000)
	if !by.IsZero() {
		key, mostSeen, mostMiss = by.String(), or(s.OwnDaily, 2000), or(s.OwnMisses, 300)
	}
	if p.budgets == nil || len(p.budgets) > mostCounters {
		p.budgets = make(map[string]*budget)
	}
	b := p.budgets[key]
	if b == nil {
		b = &budget{asker: asker, day: now, misses: hour{since: now}, mostSeen: mostSeen, mostMiss: mostMiss}
		p.budgets[key] = b
	}
	return b
}

func or(v, otherwise int) int {
	if v == 0 {
		return otherwise
	}
	return v
}

// take returns how long to wait when there is nothing left.
func (b *budget) take(elements []element, now time.Time) (time.Duration, string) {
	if now.Sub(b.day) >= 24*time.Hour || b.seen == nil {
		b.day, b.seen = now, make(map[uint64]struct{})
	}
	if now.Sub(b.misses.since) >= time.Hour {
		b.misses = hour{since: now}
	}
	if b.misses.n >= b.mostMiss {
		return b.misses.since.Add(time.Hour).Sub(now), "too many identifiers that are not known here"
	}
	for _, e := range elements {
		sum := maphash.String(budgetSeed, string(rune(e.kind))+e.name+"\x00"+e.key)
		if _, known := b.seen[sum]; known {
			continue
		}
		if len(b.seen) >= b.mostSeen {
			return b.day.Add(24 * time.Hour).Sub(now), "too many different identifiers in a day"
		}
		b.seen[sum] = struct{}{}
	}
	return 0, ""
}

// missed counts a query that found nobody. Half of what is allowed is worth a look already.
func (p *People) missed(b *budget, identifiers int) {
	now := p.Now()
	p.mu.Lock()
	before := b.misses.n
	b.misses.n += identifiers
	alarm := before < b.mostMiss/2 && b.misses.n >= b.mostMiss/2 && b.warn(now)
	p.mu.Unlock()
	if alarm && p.Alarm != nil {
		p.Alarm(b.asker, "most of what it searches for is not known here: it may be enumerating users")
	}
}

// warn reports whether it is time for an alarm.
func (b *budget) warn(now time.Time) bool {
	if !b.warned.IsZero() && now.Sub(b.warned) < alarmEvery {
		return false
	}
	b.warned = now
	return true
}
