package mimihttp

import (
	"crypto/x509"
	"sync"
	"time"

	"golang.org/x/time/rate"

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

// limiters holds one token bucket per (tenant, caller). Only known peers get one, so their number is bounded by the configuration.
type limiters struct {
	mu sync.Mutex
	by map[[2]uri.Provider]*rate.Limiter
}

// take returns how long the caller has to wait; 0 when it may go on.
func (l *limiters) take(tenant, caller uri.Provider, r Rate) time.Duration {
	if r.PerSecond <= 0 {
		return 0
	}
	key := [2]uri.Provider{tenant, caller}
	l.mu.Lock()
	bucket := l.by[key]
	if bucket == nil {
		if l.by == nil {
			l.by = make(map[[2]uri.Provider]*rate.Limiter)
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
