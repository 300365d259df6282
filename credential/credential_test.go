package credential_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"parley/credential"
	"parley/mimitest/wirecase"
	"parley/mls"
	"parley/mls/wire"
	"parley/uri"
)

var t0 = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

const (
	year  = 365 * 24 * time.Hour
	month = 30 * 24 * time.Hour
)

// world is two providers with an authority each, and a client of the first.
type world struct {
	a, b *credential.CA
	key  ed25519.PublicKey
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{a: newCA(t, "a.example"), b: newCA(t, "b.example")}
	w.key = newEd25519(t)
	return w
}

func newCA(t testing.TB, domain string) *credential.CA {
	t.Helper()
	ca, err := credential.NewCA(provider(t, domain), t0, 2*year)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func newEd25519(t testing.TB) ed25519.PublicKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func provider(t testing.TB, domain string) uri.Provider {
	t.Helper()
	p, err := uri.ProviderFromDomain(domain)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func user(t testing.TB, s string) uri.User     { return must[uri.User](t)(uri.ParseUser(s)) }
func client(t testing.TB, s string) uri.Client { return must[uri.Client](t)(uri.ParseClient(s)) }

func (w *world) roots(p uri.Provider) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, ca := range []*credential.CA{w.a, w.b} {
		if ca.Provider == p {
			pool.AddCert(ca.Cert)
			return pool
		}
	}
	return nil
}

// issue makes a leaf of a's authority for a client of alice.
func (w *world) issue(t testing.TB, name, device string, public crypto.PublicKey, at time.Time, gateway bool) *wire.LeafNode {
	t.Helper()
	c := must[wire.Credential](t)(w.a.IssueClient(user(t, "mimi://a.example/u/"+name), client(t, "mimi://a.example/d/"+name+"/"+device),
		public, at, month, gateway))
	return &wire.LeafNode{SignatureKey: wireKey(t, public), Credential: c}
}

func wireKey(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	switch k := public.(type) {
	case ed25519.PublicKey:
		return k
	case *ecdsa.PublicKey:
		return must[[]byte](t)(k.Bytes())
	}
	t.Fatal("key type")
	return nil
}

func uses() map[string]mls.LeafUse {
	return map[string]mls.LeafUse{"key package": mls.UseKeyPackage, "add": mls.UseAdd, "update": mls.UseUpdate,
		"commit path": mls.UseCommitPath, "external commit": mls.UseExternalCommit, "welcome tree": mls.UseWelcomeTree}
}

func TestValidatorMatrix(t *testing.T) {
	w := newWorld(t)
	validate := credential.Validator(w.roots)
	good := w.issue(t, "alice", "phone", w.key, t0, false)
	foreign := &world{a: newCA(t, "a.example"), b: w.b} // the same name, another authority
	otherKey := *good
	otherKey.SignatureKey = newEd25519(t)
	basic := *good
	basic.Credential = wire.Credential{Type: wire.BasicCredential, Identity: []byte("mimi://a.example/d/alice/phone")}
	unknown := *good
	unknown.Credential = wire.Credential{Type: 7, Unknown: []byte{1}}
	stranger := newCA(t, "c.example")
	ofStranger := &wire.LeafNode{SignatureKey: w.key, Credential: must[wire.Credential](t)(stranger.IssueClient(
		user(t, "mimi://c.example/u/x"), client(t, "mimi://c.example/d/x/y"), w.key, t0, month, false))}

	for use, entry := range uses() {
		stale := error(credential.ErrExpired)
		if entry == mls.UseWelcomeTree {
			stale = nil // shown, not refused
		}
		for name, c := range map[string]struct {
			leaf, previous *wire.LeafNode
			now            time.Time
			want           error
		}{
			"good":                   {good, nil, t0, nil},
			"same identity, new key": {w.issue(t, "alice", "phone", w.key, t0, false), good, t0, nil},
			"other user":             {w.issue(t, "bob", "phone", w.key, t0, false), good, t0, credential.ErrIdentity},
			"other client":           {w.issue(t, "alice", "laptop", w.key, t0, false), good, t0, credential.ErrIdentity},
			"gateway took over":      {w.issue(t, "alice", "phone", w.key, t0, true), good, t0, credential.ErrIdentity},
			"replaces a basic leaf":  {good, &basic, t0, credential.ErrType},
			"authority of same name": {foreign.issue(t, "alice", "phone", w.key, t0, false), nil, t0, credential.ErrUntrusted},
			"unknown provider":       {ofStranger, nil, t0, credential.ErrUnknownCA},
			"expired":                {good, nil, t0.Add(2 * month), stale},
			"not yet valid":          {w.issue(t, "alice", "phone", w.key, t0.Add(month), false), nil, t0, stale},
			"no opinion on time":     {good, nil, time.Time{}, nil},
			"other key":              {&otherKey, nil, t0, credential.ErrKeyMismatch},
			"basic":                  {&basic, nil, t0, credential.ErrType},
			"unknown type":           {&unknown, nil, t0, credential.ErrType},
		} {
			err := validate(mls.LeafCheck{Use: entry, Leaf: c.leaf, Previous: c.previous, Now: c.now})
			if !errors.Is(err, c.want) {
				t.Errorf("%s, %s: %v, want %v", use, name, err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "alice") {
				t.Errorf("the error names a user: %v", err)
			}
		}
	}
}

func TestRows(t *testing.T) {
	w := newWorld(t)
	validate := credential.Validator(w.roots)
	check := func(leaf *wire.LeafNode) error { return validate(mls.LeafCheck{Use: mls.UseAdd, Leaf: leaf, Now: t0}) }
	t.Run("P-CR-02 the user is not inferred from the client URI", func(t *testing.T) {
		c := must[wire.Credential](t)(w.a.IssueClient(user(t, "mimi://a.example/u/alice"), client(t, "mimi://a.example/d/3b52249d"), w.key, t0, month, false))
		got := must[credential.Identity](t)(credential.Parse(c))
		if got.User.String() != "mimi://a.example/u/alice" || got.Client.String() != "mimi://a.example/d/3b52249d" {
			t.Errorf("got %+v", got)
		}
		if err := check(&wire.LeafNode{SignatureKey: w.key, Credential: c}); err != nil {
			t.Error(err)
		}
		// The two-segment form that names somebody else is a lie in the certificate.
		if err := check(forge(t, w.a, w.key, "mimi://a.example/d/bob/phone", "mimi://a.example/u/alice")); !errors.Is(err, credential.ErrNames) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("P-CR-04 one client URI, one user or pseudonym URI, the leaf's key", func(t *testing.T) {
		phone, alice := "mimi://a.example/d/alice/phone", "mimi://a.example/u/alice"
		for name, c := range map[string]struct {
			uris []string
			want error
		}{
			"client and user":       {[]string{phone, alice}, nil},
			"user first":            {[]string{alice, phone}, nil},
			"client and pseudonym":  {[]string{"mimi://a.example/d/3b52", "mimi://a.example/p/koala"}, nil},
			"with a claim":          {[]string{phone, alice, "https://a.example/staff", "mimi://a.example/t/staff"}, nil},
			"no user":               {[]string{phone}, credential.ErrNames},
			"no client":             {[]string{alice}, credential.ErrNames},
			"two clients":           {[]string{phone, "mimi://a.example/d/alice/laptop", alice}, credential.ErrNames},
			"two users":             {[]string{phone, alice, "mimi://a.example/u/bob"}, credential.ErrNames},
			"user and pseudonym":    {[]string{"mimi://a.example/d/3b52", alice, "mimi://a.example/p/koala"}, credential.ErrNames},
			"a hub as well":         {[]string{phone, alice, "mimi://a.example"}, credential.ErrNames},
			"malformed":             {[]string{phone, alice, "mimi://a.example/u/"}, credential.ErrNames},
			"nothing":               {nil, credential.ErrNames},
			"client of another one": {[]string{"mimi://b.example/d/x", alice}, credential.ErrProvider},
		} {
			if err := check(forge(t, w.a, w.key, c.uris...)); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
		leaf := w.issue(t, "alice", "phone", w.key, t0, false)
		leaf.SignatureKey = newEd25519(t)
		if err := check(leaf); !errors.Is(err, credential.ErrKeyMismatch) {
			t.Errorf("other key: %v", err)
		}
	})
	t.Run("P-CR-05 the chain leads to the user's own provider", func(t *testing.T) {
		// b certifies a user of a, however its own limits on names are set.
		if err := check(forge(t, w.b, w.key, "mimi://a.example/d/alice/phone", "mimi://a.example/u/alice")); !errors.Is(err, credential.ErrUntrusted) {
			t.Errorf("got %v", err)
		}
		if _, err := w.b.IssueClient(user(t, "mimi://a.example/u/alice"), client(t, "mimi://a.example/d/alice/phone"), w.key, t0, month, false); !errors.Is(err, credential.ErrForeign) {
			t.Errorf("issued: %v", err)
		}
	})
	t.Run("P-CR-06 X.509 is required, basic only in tests that say so", func(t *testing.T) {
		leaf := &wire.LeafNode{SignatureKey: w.key, Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte("mimi://a.example/d/alice/phone")}}
		if err := check(leaf); !errors.Is(err, credential.ErrType) {
			t.Errorf("got %v", err)
		}
		if _, err := credential.Parse(leaf.Credential); !errors.Is(err, credential.ErrType) {
			t.Errorf("parsed: %v", err)
		}
		tolerant := credential.Validator(w.roots, credential.AllowBasicInTests())
		if err := tolerant(mls.LeafCheck{Use: mls.UseAdd, Leaf: leaf, Now: t0}); err != nil {
			t.Error(err)
		}
		leaf.Credential.Identity = []byte("mimi://a.example/d/3b52")
		if err := tolerant(mls.LeafCheck{Use: mls.UseAdd, Leaf: leaf, Now: t0}); !errors.Is(err, credential.ErrNames) {
			t.Errorf("one segment: %v", err)
		}
	})
	t.Run("P-CR-08 the same client identity on update", func(t *testing.T) {
		phone := w.issue(t, "alice", "phone", w.key, t0, false)
		for _, use := range []mls.LeafUse{mls.UseUpdate, mls.UseCommitPath, mls.UseExternalCommit} {
			if err := validate(mls.LeafCheck{Use: use, Leaf: w.issue(t, "alice", "phone", newEd25519(t), t0.Add(time.Hour), false), Previous: phone, Now: t0.Add(time.Hour)}); err != nil {
				t.Errorf("renewed: %v", err)
			}
			if err := validate(mls.LeafCheck{Use: use, Leaf: w.issue(t, "bob", "phone", w.key, t0, false), Previous: phone, Now: t0}); !errors.Is(err, credential.ErrIdentity) {
				t.Errorf("other user: %v", err)
			}
		}
	})
	t.Run("P-CR-09 an external sender names its provider", func(t *testing.T) {
		senders := credential.SenderValidator(w.roots)
		c := must[wire.Credential](t)(w.a.IssueProvider(w.key, t0, year))
		if p := must[uri.Provider](t)(credential.ParseSender(c)); p != w.a.Provider {
			t.Errorf("provider %v", p)
		}
		if err := senders(wire.ExternalSender{SignatureKey: w.key, Credential: c}, t0); err != nil {
			t.Error(err)
		}
		alice := w.issue(t, "alice", "phone", w.key, t0, false)
		forged := forge(t, w.b, w.key, "mimi://a.example")
		for name, c := range map[string]struct {
			sender wire.ExternalSender
			now    time.Time
			want   error
		}{
			"a client":        {wire.ExternalSender{SignatureKey: w.key, Credential: alice.Credential}, t0, credential.ErrSenderName},
			"other key":       {wire.ExternalSender{SignatureKey: newEd25519(t), Credential: c}, t0, credential.ErrKeyMismatch},
			"other authority": {wire.ExternalSender{SignatureKey: w.key, Credential: forged.Credential}, t0, credential.ErrUntrusted},
			"expired":         {wire.ExternalSender{SignatureKey: w.key, Credential: c}, t0.Add(3 * year), credential.ErrExpired},
			"basic":           {wire.ExternalSender{SignatureKey: w.key, Credential: wire.Credential{Type: wire.BasicCredential}}, t0, credential.ErrType},
		} {
			if err := senders(c.sender, c.now); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
		if err := check(&wire.LeafNode{SignatureKey: w.key, Credential: c}); !errors.Is(err, credential.ErrNames) {
			t.Errorf("a hub's credential as a leaf: %v", err)
		}
	})
}

// forge signs whatever it is told to, as an authority that does not keep to the rules, and without limits on names.
func forge(t testing.TB, ca *credential.CA, public crypto.PublicKey, uris ...string) *wire.LeafNode {
	t.Helper()
	der := must[[]byte](t)(credential.Forge(ca, public, t0.Add(-time.Minute), t0.Add(month), uris...))
	return &wire.LeafNode{SignatureKey: wireKey(t, public), Credential: wire.Credential{Type: wire.X509Credential, Certificates: [][]byte{der}}}
}

func TestKeysOfBothKinds(t *testing.T) {
	w := newWorld(t)
	validate := credential.Validator(w.roots)
	p256 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	for name, public := range map[string]crypto.PublicKey{"Ed25519": w.key, "P-256": p256.Public()} {
		leaf := w.issue(t, "alice", "phone", public, t0, false)
		if err := validate(mls.LeafCheck{Use: mls.UseKeyPackage, Leaf: leaf, Now: t0}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if size := len(leaf.Credential.Certificates[0]); len(leaf.Credential.Certificates) != 1 || size > 512 {
			t.Errorf("%s: %d certificates of %d octets", name, len(leaf.Credential.Certificates), size)
		}
	}
	if _, err := w.a.IssueProvider("not a key", t0, year); !errors.Is(err, credential.ErrKeyType) {
		t.Errorf("got %v", err)
	}
}

func TestGatewayMark(t *testing.T) {
	w := newWorld(t)
	for _, gateway := range []bool{false, true} {
		leaf := w.issue(t, "alice", "phone", w.key, t0, gateway)
		if got := must[credential.Identity](t)(credential.Parse(leaf.Credential)); got.Gateway != gateway {
			t.Errorf("gateway %v is read as %v", gateway, got.Gateway)
		}
		cert := must[*x509.Certificate](t)(x509.ParseCertificate(leaf.Credential.Certificates[0]))
		if len(cert.UnhandledCriticalExtensions) != 0 {
			t.Error("the mark is critical: others would refuse the certificate")
		}
	}
}

func TestAuthority(t *testing.T) {
	w := newWorld(t)
	again := must[*credential.CA](t)(credential.ParseCA(w.a.CertPEM(), must[[]byte](t)(w.a.KeyPEM())))
	if again.Provider != w.a.Provider || !again.Cert.Equal(w.a.Cert) {
		t.Error("the authority changed in PEM")
	}
	leaf := &world{a: again, b: w.b}
	if err := credential.Validator(w.roots)(mls.LeafCheck{Use: mls.UseAdd, Leaf: leaf.issue(t, "alice", "phone", w.key, t0, false), Now: t0}); err != nil {
		t.Error(err)
	}
	if _, err := credential.ParseCA(w.a.CertPEM(), must[[]byte](t)(w.b.KeyPEM())); !errors.Is(err, credential.ErrKeyMismatch) {
		t.Errorf("key of another authority: %v", err)
	}
	for _, bad := range [][]byte{nil, []byte("x"), must[[]byte](t)(w.a.KeyPEM())} {
		if _, _, err := credential.ParseAuthority(bad); !errors.Is(err, credential.ErrPEM) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := w.a.IssueProvider(w.key, t0.Add(3*year), year); !errors.Is(err, credential.ErrLifetime) {
		t.Errorf("issued by an expired authority: %v", err)
	}
	c := must[wire.Credential](t)(w.a.IssueProvider(w.key, t0, 10*year))
	cert := must[*x509.Certificate](t)(x509.ParseCertificate(c.Certificates[0]))
	if cert.NotAfter.After(w.a.Cert.NotAfter) {
		t.Error("the certificate outlives its authority")
	}
	if credential.Stale(c, t0) || !credential.Stale(c, t0.Add(3*year)) || !credential.Stale(wire.Credential{}, t0) {
		t.Error("stale")
	}
	t.Run("P-CR-07 old and new authority while one replaces the other", func(t *testing.T) {
		old := w.issue(t, "alice", "phone", w.key, t0, false)
		next := &world{a: newCA(t, "a.example"), b: w.b}
		renewed := next.issue(t, "alice", "phone", w.key, t0, false)
		both := func(uri.Provider) *x509.CertPool {
			pool := x509.NewCertPool()
			pool.AddCert(w.a.Cert)
			pool.AddCert(next.a.Cert)
			return pool
		}
		for _, leaf := range []*wire.LeafNode{old, renewed} {
			if err := credential.Validator(both)(mls.LeafCheck{Use: mls.UseAdd, Leaf: leaf, Now: t0}); err != nil {
				t.Error(err)
			}
			if errA, errB := credential.Validator(w.roots)(mls.LeafCheck{Use: mls.UseAdd, Leaf: leaf, Now: t0}),
				credential.Validator(next.roots)(mls.LeafCheck{Use: mls.UseAdd, Leaf: leaf, Now: t0}); (errA == nil) == (errB == nil) {
				t.Errorf("one authority alone: %v, %v", errA, errB)
			}
		}
	})
}

// The certificates of the wire vectors were made by another implementation.
func TestVectorCertificates(t *testing.T) {
	for _, c := range wirecase.Load(t, "mls-pieces") {
		if c.Structure != "Credential" || c.Fields == nil {
			continue
		}
		var v wire.Credential
		wirecase.Decode(t, c.Hex, &v)
		got, err := credential.Parse(v)
		if v.Type != wire.X509Credential {
			if !errors.Is(err, credential.ErrType) {
				t.Errorf("%s: %v", c.Name, err)
			}
			continue
		}
		if err != nil || got.User.Provider() != got.Client.Provider() || got.Participant() != got.User.String() {
			t.Errorf("%s: %+v, %v", c.Name, got, err)
		}
	}
}

func TestChains(t *testing.T) {
	w := newWorld(t)
	good := w.issue(t, "alice", "phone", w.key, t0, false).Credential.Certificates[0]
	for name, certs := range map[string][][]byte{
		"none": nil, "garbage": {{1, 2, 3}}, "cut": {good[:len(good)-1]}, "an authority": {w.a.Cert.Raw},
		"too many": {good, good, good, good, good, good, good, good, good}, "too long": {make([]byte, 17<<10)},
	} {
		if _, err := credential.Parse(wire.Credential{Type: wire.X509Credential, Certificates: certs}); err == nil {
			t.Errorf("%s: parsed", name)
		}
	}
	withRoot := &wire.LeafNode{SignatureKey: w.key, Credential: wire.Credential{Type: wire.X509Credential, Certificates: [][]byte{good, w.a.Cert.Raw}}}
	if err := credential.Validator(w.roots)(mls.LeafCheck{Use: mls.UseAdd, Leaf: withRoot, Now: t0}); err != nil {
		t.Errorf("a chain that holds the root: %v", err)
	}
	// A chain that brings its own authority convinces nobody.
	other := &world{a: newCA(t, "a.example"), b: w.b}
	leaf := other.issue(t, "alice", "phone", w.key, t0, false)
	leaf.Credential.Certificates = append(leaf.Credential.Certificates, other.a.Cert.Raw)
	if err := credential.Validator(w.roots)(mls.LeafCheck{Use: mls.UseAdd, Leaf: leaf, Now: t0}); !errors.Is(err, credential.ErrUntrusted) {
		t.Errorf("own authority: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	w := newWorld(f)
	f.Add(w.issue(f, "alice", "phone", w.key, t0, true).Credential.Certificates[0])
	f.Add(w.a.Cert.Raw)
	f.Fuzz(func(t *testing.T, der []byte) {
		c := wire.Credential{Type: wire.X509Credential, Certificates: [][]byte{der}}
		if got, err := credential.Parse(c); err == nil && got.Client.IsZero() {
			t.Error("parsed without a client")
		}
		if p, err := credential.ParseSender(c); err == nil && p.IsZero() {
			t.Error("parsed without a provider")
		}
	})
}

func BenchmarkValidator(b *testing.B) {
	w := newWorld(b)
	validate := credential.Validator(w.roots)
	leaf := w.issue(b, "alice", "phone", w.key, t0, false)
	for b.Loop() {
		if err := validate(mls.LeafCheck{Use: mls.UseAdd, Leaf: leaf, Now: t0}); err != nil {
			b.Fatal(err)
		}
	}
}
