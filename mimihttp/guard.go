package mimihttp

import (
	"crypto/x509"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"parley/mimi"
	"parley/uri"
)

// verifiedCertificates remembers for a short time which certificates verified, because verifying a chain costs more than serving a
// request. Only successes are kept: an unknown certificate cannot push known ones out by failing.
type verifiedCertificates struct {
	mu   sync.Mutex
	good map[verifiedKey]time.Time // until when
}

type verifiedKey struct {
	trust  *Trust
	domain string
	leaf   [32]byte // SHA-256 of the certificate
}

const (
	rememberVerified = time.Minute
	mostVerified     = 4096
)

func (v *verifiedCertificates) check(key verifiedKey, leaf *x509.Certificate, now time.Time, verify func() error) error {
	v.mu.Lock()
	until, known := v.good[key]
	v.mu.Unlock()
	if known && now.Before(until) && !now.After(leaf.NotAfter) && !now.Before(leaf.NotBefore) {
		return nil
	}
	if err := verify(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.good == nil || len(v.good) >= mostVerified {
		v.good = make(map[verifiedKey]time.Time)
	}
	v.good[key] = now.Add(rememberVerified)
	return nil
}

// limiters holds one token bucket per (tenant, caller, endpoint). Only known peers get them, so their number is bounded by the
// configuration.
type limiters struct {
	mu sync.Mutex
	by map[limiterKey]*rate.Limiter
}

type limiterKey struct {
	tenant, caller uri.Provider
	endpoint       mimi.Endpoint
}

// take returns how long the caller has to wait; 0 when it may go on.
func (l *limiters) take(key limiterKey, r Rate) time.Duration {
	if r.PerSecond <= 0 {
		return 0
	}
	l.mu.Lock()
	bucket := l.by[key]
	if bucket == nil {
		if l.by == nil {
			l.by = make(map[limiterKey]*rate.Limiter)
		}
		bucket = rate.NewLimiter(rate.Limit(r.PerSecond), max(r.Burst, 1))
		l.by[key] = bucket
	}
	l.mu.Unlock()
	reservation := bucket.Reserve()
	wait := reservation.Delay()
	if wait > 0 {
		reservation.Cancel()
	}
	return wait
}

// shares counts what each caller has under way.
type shares struct {
	requests int   // most of one caller
	octets   int64 // most of their bodies, unless there is one request only

	mu sync.Mutex
	by map[callerKey]share
}

type callerKey struct{ tenant, caller uri.Provider }

type share struct {
	requests int
	octets   int64
}

// take gives a caller one place for a request with a body of a size. release gives it back.
func (s *shares) take(key callerKey, octets int64) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	has := s.by[key]
	if has.requests >= s.requests || has.requests > 0 && has.octets+octets > s.octets {
		return nil, false
	}
	if s.by == nil {
		s.by = make(map[callerKey]share)
	}
	s.by[key] = share{has.requests + 1, has.octets + octets}
	return func() { s.give(key, octets) }, true
}

func (s *shares) give(key callerKey, octets int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	has := s.by[key]
	if has.requests == 1 {
		delete(s.by, key)
		return
	}
	s.by[key] = share{has.requests - 1, has.octets - octets}
}
