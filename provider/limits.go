package provider

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"parley/uri"
)

// limits bound costly requests (P-KM-30): token buckets per who asks whom. Repetitions of an answered request are not counted.
type limits struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[limitKey]*rate.Limiter
}

type limitKey struct{ kind, who, whom string }

// mostBuckets bounds the memory: above it all buckets begin anew, which errs on the side of serving.
const mostBuckets = 1 << 16

// bucket is what one pair may do. A claim takes a KeyPackage of each of the target's devices, which keep some tens of them and refill.
func bucket(k limitKey) (rate.Limit, int) {
	switch k.kind {
	case "claim":
		return rate.Every(2 * time.Second), 60
	case "claim from", "groupInfo from", "keyMaterial from":
		return 50, 1000
	}
	return 20, 100
}

func newLimits(now func() time.Time) *limits {
	return &limits{now: now, by: make(map[limitKey]*rate.Limiter)}
}

func (l *limits) allow(k limitKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.by[k]
	if b == nil {
		if len(l.by) >= mostBuckets {
			clear(l.by)
		}
		perSecond, burst := bucket(k)
		b = rate.NewLimiter(perSecond, burst)
		l.by[k] = b
	}
	return b.AllowN(l.now(), 1)
}

// claim is keypkg.Config.Limit: one requester may not drain a target, one provider not everybody.
func (l *limits) claim(caller uri.Provider, requester, target uri.User) bool {
	return l.allow(limitKey{"claim", requester.String(), target.String()}) && l.allow(limitKey{"claim from", caller.String(), ""})
}

// hub is hub.Config.Limit: a user and a room (P-GI-17), and no provider by asking for many users.
func (l *limits) hub(kind string, caller uri.Provider, user uri.User, room uri.Room) bool {
	return l.allow(limitKey{kind, user.String(), room.String()}) && l.allow(limitKey{kind + " from", caller.String(), room.String()})
}
