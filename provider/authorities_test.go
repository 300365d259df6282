package provider

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"parley/credential"
	"parley/identity"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/store/memory"
	"parley/uri"
)

func domain(t testing.TB, d string) uri.Provider {
	t.Helper()
	p, err := uri.ProviderFromDomain(d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newCA(t testing.TB, p uri.Provider) *credential.CA {
	t.Helper()
	ca, err := credential.NewCA(p, time.Now(), AuthorityLife)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// publishes is a peer's directory with a CA set.
func publishes(set ...*x509.Certificate) source {
	return func(context.Context) (out [][]byte, err error) {
		for _, c := range set {
			out = append(out, c.Raw)
		}
		return out, nil
	}
}

// bench is a provider a.example's view of others.
type bench struct {
	*authorities
	t   testing.TB
	log bytes.Buffer
}

func newBench(t testing.TB, fixed map[uri.Provider][]*x509.Certificate) *bench {
	t.Helper()
	b, store := &bench{t: t}, new(memory.Identity)
	b.authorities = &authorities{
		pins: &identity.Pins{Update: store.UpdatePins, View: store.ViewPins, Now: time.Now}, log: slog.New(slog.NewTextHandler(&b.log, nil)), fixed: fixed,
	}
	if err := b.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) sees(p uri.Provider, from source) {
	b.t.Helper()
	if err := b.learn(b.t.Context(), p, from); err != nil {
		b.t.Fatal(err)
	}
}

// leaf is a KeyPackage's leaf of a user that an authority has certified.
func leaf(t testing.TB, ca *credential.CA) *wire.LeafNode {
	t.Helper()
	s, err := suite.Lookup(suite.X25519AES128)
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.GenerateSignatureKey()
	if err != nil {
		t.Fatal(err)
	}
	user, err := uri.NewUser(ca.Provider, "bob")
	if err != nil {
		t.Fatal(err)
	}
	client, err := uri.NewClient(ca.Provider, "bob", "phone")
	if err != nil {
		t.Fatal(err)
	}
	cred, err := ca.IssueClient(user, client, key.Public(), time.Now(), time.Hour, false)
	if err != nil {
		t.Fatal(err)
	}
	public, err := s.SignaturePublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return &wire.LeafNode{Credential: cred, SignatureKey: public}
}

func (b *bench) accepts(l *wire.LeafNode) bool {
	return credential.Validator(b.Roots)(mls.LeafCheck{Use: mls.UseKeyPackage, Leaf: l, Now: time.Now()}) == nil
}

func TestAuthoritiesOfPeers(t *testing.T) {
	p := domain(t, "b.example")
	old, fresh, stranger := newCA(t, p), newCA(t, p), newCA(t, p)
	t.Run("P-CR-07 pinned when first seen, rotated with overlap", func(t *testing.T) {
		b := newBench(t, nil)
		before, after := leaf(t, old), leaf(t, fresh)
		if b.accepts(before) {
			t.Error("accepted before anything was learned")
		}
		b.sees(p, publishes(old.Cert))
		if !b.accepts(before) || b.accepts(after) {
			t.Error("not the published set is in force")
		}
		b.sees(p, publishes(fresh.Cert, old.Cert))
		if !b.accepts(before) || !b.accepts(after) {
			t.Error("during the rotation one of both is refused")
		}
		b.sees(p, publishes(fresh.Cert))
		if b.accepts(before) || !b.accepts(after) {
			t.Error("after the rotation the old one is in force")
		}
	})
	t.Run("an unrelated set raises an alarm and waits", func(t *testing.T) {
		b := newBench(t, nil)
		b.sees(p, publishes(old.Cert))
		b.sees(p, publishes(stranger.Cert))
		b.sees(p, publishes(stranger.Cert))
		if !b.accepts(leaf(t, old)) || b.accepts(leaf(t, stranger)) {
			t.Error("the unrelated set took effect")
		}
		if _, changed := b.count(); changed != 1 || strings.Count(b.log.String(), "ALARM") != 1 {
			t.Errorf("%d changed, log %s", changed, b.log.String())
		}
		if list := b.list(p); len(list) != 1 || !list[0].Changed || !bytes.Equal(list[0].Certificates[0], old.Cert.Raw) {
			t.Errorf("clients are told %+v", list)
		}
		if err := b.accept(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if b.accepts(leaf(t, old)) || !b.accepts(leaf(t, stranger)) {
			t.Error("the accepted set is not in force")
		}
	})
	t.Run("a provider vouches for its own names only", func(t *testing.T) {
		b, of := newBench(t, nil), newCA(t, domain(t, "c.example"))
		b.sees(p, publishes(of.Cert))
		if b.known(p) {
			t.Error("a set of another provider was pinned")
		}
		b.sees(p, publishes(of.Cert, old.Cert))
		if b.accepts(leaf(t, of)) || !b.accepts(leaf(t, old)) {
			t.Error("the foreign certificate is in force")
		}
	})
	t.Run("a peer that publishes nothing is said once", func(t *testing.T) {
		b := newBench(t, nil)
		b.sees(p, publishes())
		b.sees(p, publishes())
		if strings.Count(b.log.String(), "publishes no authorities") != 1 {
			t.Errorf("log %s", b.log.String())
		}
		b.sees(p, publishes(old.Cert))
		b.sees(p, publishes())
		if !b.accepts(leaf(t, old)) {
			t.Error("silence took the pin away")
		}
	})
	t.Run("a configured set is not learned", func(t *testing.T) {
		b := newBench(t, map[uri.Provider][]*x509.Certificate{p: {old.Cert}})
		b.sees(p, func(context.Context) ([][]byte, error) { return nil, errors.New("asked") })
		if !b.accepts(leaf(t, old)) {
			t.Error("the configured set is not in force")
		}
	})
	t.Run("a failure is told and changes nothing", func(t *testing.T) {
		b, away := newBench(t, nil), errors.New("away")
		if err := b.ensure(t.Context(), p, func(context.Context) ([][]byte, error) { return nil, away }); !errors.Is(err, away) {
			t.Errorf("%v", err)
		}
		b.sees(p, publishes(old.Cert))
		if err := b.ensure(t.Context(), p, func(context.Context) ([][]byte, error) { return nil, away }); err != nil {
			t.Errorf("a known set was fetched: %v", err)
		}
	})
}

// A failure of the own store is not blamed on the peer that happened to be asked.
func TestOwnStoreIsToBlame(t *testing.T) {
	b, p, disk := newBench(t, nil), domain(t, "b.example"), errors.New("no disk")
	b.pins.Update = func(context.Context, func(identity.PinTx) error) error { return disk }
	err := b.learn(t.Context(), p, publishes(newCA(t, p).Cert))
	r := &remote{peer: p}
	var away *PeerError
	if failed := r.failed(err); !errors.Is(failed, disk) || errors.As(failed, &away) {
		t.Errorf("%v", failed)
	}
	if failed := r.failed(errors.New("connection refused")); !errors.As(failed, &away) || away.Peer != p {
		t.Errorf("%v", failed)
	}
	if b.known(p) {
		t.Error("a set is in force that is not stored")
	}
}

func TestLimits(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := newLimits(func() time.Time { return now })
	a, user := domain(t, "a.example"), func(name string) uri.User {
		u, err := uri.NewUser(domain(t, "a.example"), name)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	granted := 0
	for range 200 {
		if l.claim(a, user("mallory"), user("bob")) {
			granted++
		}
	}
	if granted != 60 {
		t.Errorf("%d claims at once", granted)
	}
	if !l.claim(a, user("alice"), user("bob")) || !l.claim(a, user("mallory"), user("carol")) {
		t.Error("others are held up too")
	}
	if now = now.Add(2 * time.Second); !l.claim(a, user("mallory"), user("bob")) || l.claim(a, user("mallory"), user("bob")) {
		t.Error("the bucket does not fill up as it should")
	}
	total := 0
	for i := range 1200 {
		if l.claim(domain(t, "c.example"), user("x"+strings.Repeat("y", i%40)), user("z"+strings.Repeat("y", i/40))) {
			total++
		}
	}
	if total != 1000 {
		t.Errorf("one provider got %d claims at once", total)
	}
}
