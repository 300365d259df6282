package keypkg

import (
	"context"
	"time"

	"parley/credential"
	"parley/mimi"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// Config is what the KeyPackages of a provider are made of.
type Config struct {
	Self  uri.Provider
	Store Store
	Now   func() time.Time
	// Suites are the cipher suites that there are; nil: those of RFC 9420.
	Suites *suite.Table
	// Validate judges a published KeyPackage, normally mls.ValidateKeyPackage with the provider's leaf validator.
	Validate func(kp *wire.KeyPackage, now time.Time) error
	// ValidateCredential judges the credential of a signed request; nil accepts all.
	ValidateCredential func(c wire.Credential, signatureKey []byte, now time.Time) error
	// Consent says whether the target lets the requester claim its KeyPackages: KeyMaterialSuccess or the code of the refusal. nil:
	// everybody may, which is the implicit consent of this release.
	Consent func(ctx context.Context, requester, target uri.User, room string) mimi.KeyMaterialUserCode
	// Limit is asked before a new claim (P-KM-30); false refuses it with TooMany. nil allows all.
	Limit func(caller uri.Provider, requester, target uri.User) bool
	// HideUsers gives all refusals one look, so that nobody learns who exists (P-KM-19, P-KM-20).
	HideUsers bool
	// MaxLife is the longest lifetime of a KeyPackage (P-KM-13); 0 means DefaultMaxLife.
	MaxLife time.Duration
}

const (
	// DefaultMaxLife is the longest lifetime of a published KeyPackage.
	DefaultMaxLife = 100 * 24 * time.Hour
	// MaxStock is how many unclaimed KeyPackages a client may have.
	MaxStock = 1000
	// LowWater is the stock below which a client should publish more.
	LowWater = 10
	// skew is how far a client's clock may be ahead.
	skew = 5 * time.Minute
)

// Packages is the KeyPackage store of one provider. It is safe for concurrent use.
type Packages struct{ cfg Config }

// New makes the store.
func New(cfg Config) *Packages {
	if cfg.MaxLife == 0 {
		cfg.MaxLife = DefaultMaxLife
	}
	return &Packages{cfg}
}

// Publish adds KeyPackages to the stock of a user's authenticated client, all or none, and returns how many are unclaimed then.
// Publishing one again changes nothing. The error is an *mimi.Error.
//
// One transaction.
func (p *Packages) Publish(ctx context.Context, user uri.User, client uri.Client, list []wire.KeyPackage) (available int, err error) {
	now := p.cfg.Now()
	packages := make([]Package, len(list))
	for i := range list {
		if packages[i], err = p.accept(user, client, &list[i], now); err != nil {
			return 0, err
		}
	}
	err = p.cfg.Store.Update(ctx, func(tx Tx) error {
		if err := tx.Publish(client, packages); err != nil {
			return err
		}
		if available, err = tx.Count(client, now); err != nil {
			return err
		}
		if available > MaxStock {
			return mimi.Errorf(mimi.TooMany, "the stock is full")
		}
		return nil
	})
	return available, storeError(err)
}

// accept judges one KeyPackage.
func (p *Packages) accept(user uri.User, client uri.Client, kp *wire.KeyPackage, now time.Time) (Package, error) {
	life := kp.Leaf.Lifetime
	from, until := time.Unix(int64(life.NotBefore), 0), time.Unix(int64(life.NotAfter), 0)
	switch {
	case life.NotBefore > maxUnix || life.NotAfter > maxUnix || !until.After(now):
		return Package{}, mimi.Errorf(mimi.BadRequest, "a KeyPackage has expired")
	case from.After(now.Add(skew)):
		return Package{}, mimi.Errorf(mimi.BadRequest, "a KeyPackage begins in the future")
	case until.Sub(from) > p.cfg.MaxLife:
		return Package{}, mimi.Errorf(mimi.BadRequest, "a KeyPackage lives too long")
	case mls.IsLastResort(kp):
		return Package{}, mimi.Errorf(mimi.BadRequest, "last-resort KeyPackages are not taken") // P-KM-29
	}
	id, err := credential.Parse(kp.Leaf.Credential)
	if err != nil || id.Client != client || id.User != user {
		return Package{}, mimi.Errorf(mimi.Forbidden, "a KeyPackage is of another client") // P-KM-22
	}
	if err := p.cfg.Validate(kp, latest(now, from)); err != nil {
		return Package{}, &mimi.Error{Code: mimi.BadRequest, Detail: "a KeyPackage is not valid", Err: err}
	}
	s, err := p.cfg.Suites.Lookup(kp.Suite)
	if err != nil {
		return Package{}, mimi.Errorf(mimi.BadRequest, "a KeyPackage has an unknown suite")
	}
	ref, err := s.KeyPackageRef(kp)
	if err != nil {
		return Package{}, mimi.Errorf(mimi.BadRequest, "a KeyPackage cannot be encoded")
	}
	octets, err := syntax.Marshal(kp)
	if err != nil {
		return Package{}, mimi.Errorf(mimi.BadRequest, "a KeyPackage cannot be encoded")
	}
	return Package{Ref: ref, Suite: kp.Suite, NotBefore: from, NotAfter: until, Octets: octets}, nil
}

// maxUnix bounds lifetimes to what every store can keep (year 9999).
const maxUnix = 253402300799

// latest lets a client's clock be a little ahead.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Count is how many KeyPackages of a client are unclaimed.
func (p *Packages) Count(ctx context.Context, client uri.Client) (n int, err error) {
	err = p.cfg.Store.View(ctx, func(tx Tx) error {
		n, err = tx.Count(client, p.cfg.Now())
		return err
	})
	return n, storeError(err)
}

// Withdraw deletes all KeyPackages of a client that is no client any more, and returns how many. A Welcome for one that was handed out
// finds nobody then. One transaction.
func (p *Packages) Withdraw(ctx context.Context, client uri.Client) (deleted int, err error) {
	err = p.cfg.Store.Update(ctx, func(tx Tx) error {
		deleted, err = tx.Withdraw(client)
		return err
	})
	return deleted, storeError(err)
}

// WelcomeLife is how long after its acceptance a Welcome may still arrive: as long as a hub keeps trying (promise D6).
const WelcomeLife = 30 * 24 * time.Hour

// Sweep deletes packages that expired WelcomeLife ago with their references (P-KM-25), and kept answers after AnswerLife. A package
// that was used on its last day is still needed to route the Welcome.
func (p *Packages) Sweep(ctx context.Context) (deleted int, err error) {
	err = p.cfg.Store.Update(ctx, func(tx Tx) error {
		deleted, err = tx.Expire(p.cfg.Now().Add(-WelcomeLife))
		return err
	})
	return deleted, storeError(err)
}
