package provider

import (
	"cmp"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"parley/mimi"
	"parley/mimihttp"
	"parley/outbox"
	"parley/uri"
)

// Limits are what one peer may take of us, so that none harms the others. A zero field means its default.
type Limits struct {
	// Requests is how many requests of one peer are served at once; 0 means 64.
	Requests int
	// Requests of one peer per second; ten seconds' worth may come at once. 0 means 50 for KeyMaterial and GroupInfo, 200 for Update,
	// 5000 for SubmitMessage and Notify.
	KeyMaterial, Update, SubmitMessage, Notify, GroupInfo float64
	// Waiting is how many requests of ours wait for one peer at once; 0 means 128.
	Waiting int
	// Batches is how many notifications are on their way to one destination at once, each of another room; 0 means
	// outbox.DefaultPerDestination.
	Batches int

	// Connections that may be open on a listener for peers or devices, over all and from one address (of IPv6: one /64); 0 means 16384
	// and 2048. Handshakes of TLS that may be under way on it, before anybody has shown who he is; 0 means 512 and 64.
	Connections, ConnectionsPerAddress, Handshakes, HandshakesPerAddress int
}

func (l *Limits) fill() {
	set := func(v *float64, otherwise float64) {
		if *v == 0 {
			*v = otherwise
		}
	}
	set(&l.KeyMaterial, 50)
	set(&l.Update, 200)
	set(&l.SubmitMessage, 5000)
	set(&l.Notify, 5000)
	set(&l.GroupInfo, 50)
	l.Requests = cmp.Or(l.Requests, 64)
	l.Waiting = cmp.Or(l.Waiting, 128)
	l.Batches = cmp.Or(l.Batches, outbox.DefaultPerDestination)
	l.Connections = cmp.Or(l.Connections, 16384)
	l.ConnectionsPerAddress = cmp.Or(l.ConnectionsPerAddress, 2048)
	l.Handshakes = cmp.Or(l.Handshakes, 512)
	l.HandshakesPerAddress = cmp.Or(l.HandshakesPerAddress, 64)
}

// rate is mimihttp.ServerConfig.Rate.
func (l *Limits) rate(e mimi.Endpoint) mimihttp.Rate {
	perSecond := map[mimi.Endpoint]float64{
		mimi.KeyMaterial: l.KeyMaterial, mimi.Update: l.Update, mimi.SubmitMessage: l.SubmitMessage, mimi.Notify: l.Notify,
		mimi.GroupInfo: l.GroupInfo, mimi.RequestConsent: rareRequests, mimi.UpdateConsent: rareRequests, mimi.ReportAbuse: rareRequests,
		mimi.ProxyDownload: fetches,
	}[e]
	return mimihttp.Rate{PerSecond: perSecond, Burst: int(math.Ceil(perSecond * burstSeconds))}
}

const (
	burstSeconds = 10
	fetches      = 100
	rareRequests = 20 // per second: what people do by hand
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
