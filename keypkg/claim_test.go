package keypkg_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"parley/keypkg"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/store/memory"
	"parley/storetest/roletest"
	"parley/syntax"
	"parley/uri"
)

// stock is a provider C with Cathy's devices, whose KeyPackages Bob of B claims for a room of A.
type stock struct {
	*roletest.World
	c                       *roletest.Provider
	bob, bea, phone, tablet *roletest.Device
	a, b                    uri.Provider
	room                    string
}

func newStock(t *testing.T) *stock {
	t.Helper()
	w := roletest.New(t, "a.example", "b.example", "c.example")
	s := &stock{
		World: w, c: w.Provider("c.example"), a: w.Provider("a.example").URI, b: w.Provider("b.example").URI,
		bob: w.Device("b.example", "bob", "phone"), bea: w.Device("b.example", "bea", "phone"),
		phone: w.Device("c.example", "cathy", "phone"), tablet: w.Device("c.example", "cathy", "tablet"),
		room: "mimi://a.example/r/clubhouse",
	}
	s.phone.Publish(6)
	s.tablet.Publish(6)
	return s
}

// request is one of Bob's; n makes it another one.
func (s *stock) request(n wire.CipherSuite) *mimi.KeyMaterialRequest {
	return s.bob.ClaimRequest(s.room, s.phone.User, 0x4000+n)
}

func (s *stock) claim(r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	return s.c.Packages.Claim(s.T.Context(), s.a, s.phone.User, r)
}

// granted is a claim that must have the given status and be consistent.
func (s *stock) granted(r *mimi.KeyMaterialRequest, want mimi.KeyMaterialUserCode) *mimi.KeyMaterialResponse {
	s.T.Helper()
	answer, err := s.claim(r)
	if err != nil {
		s.T.Fatal(err)
	}
	if answer.Status != want {
		s.T.Errorf("status %d, want %d", answer.Status, want)
	}
	if err := answer.Validate(); err != nil {
		s.T.Errorf("status %d with %d clients: %v", answer.Status, len(answer.Clients), err)
	}
	return answer
}

// left is how many packages of a device are unclaimed.
func (s *stock) left(d *roletest.Device) int {
	s.T.Helper()
	n, err := s.c.Packages.Count(s.T.Context(), d.Client.Client)
	if err != nil {
		s.T.Fatal(err)
	}
	return n
}

// free fails the test when f consumes a package.
func (s *stock) free(f func()) {
	s.T.Helper()
	before := s.left(s.phone) + s.left(s.tablet)
	f()
	if after := s.left(s.phone) + s.left(s.tablet); after != before {
		s.T.Errorf("%d packages left of %d", after, before)
	}
}

// refuses is a claim that must fail as a whole, and consume nothing.
func (s *stock) refuses(caller uri.Provider, target uri.User, r *mimi.KeyMaterialRequest, code mimi.Code) {
	s.T.Helper()
	s.free(func() {
		s.T.Helper()
		_, err := s.c.Packages.Claim(s.T.Context(), caller, target, r)
		s.failsWith(err, code)
	})
}

func (s *stock) failsWith(err error, code mimi.Code) {
	s.T.Helper()
	var known *mimi.Error
	if !errors.As(err, &known) || known.Code != code {
		s.T.Errorf("got %v, want %v", err, code)
	}
}

// with lets f run with another configuration.
func (s *stock) with(change func(*keypkg.Config), f func()) {
	kept := s.c.PackagesConfig
	change(&s.c.PackagesConfig)
	s.c.Restart()
	defer func() { s.c.PackagesConfig = kept; s.c.Restart() }()
	f()
}

func octets(t *testing.T, v syntax.Value) []byte {
	t.Helper()
	out, err := syntax.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// refs are the references of what was handed out.
func refs(t *testing.T, answer *mimi.KeyMaterialResponse) (out []string) {
	t.Helper()
	for _, c := range answer.Clients {
		if c.KeyPackage != nil {
			ref, err := (&mls.KeyPackageBundle{KeyPackage: *c.KeyPackage}).Ref()
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(ref))
		}
	}
	return out
}

func TestWhoClaims(t *testing.T) {
	s := newStock(t)
	s.Run("P-KM-05 the room's hub claims, or without a room the requester's own provider", func(t *testing.T) {
		for _, caller := range []uri.Provider{s.b, s.c.URI, {}} {
			s.refuses(caller, s.phone.User, s.request(1), mimi.Forbidden)
		}
		roomless := s.bob.ClaimRequest("", s.phone.User, 0x4001)
		s.refuses(s.a, s.phone.User, roomless, mimi.Forbidden)
		local := s.bob.ClaimRequest("mimi://b.example/r/local", s.phone.User, 0x4001)
		for _, r := range []*mimi.KeyMaterialRequest{roomless, local} {
			if answer, err := s.c.Packages.Claim(t.Context(), s.b, s.phone.User, r); err != nil || answer.Status != mimi.KeyMaterialSuccess {
				t.Errorf("%+v, %v", answer, err)
			}
		}
		s.granted(s.request(1), mimi.KeyMaterialSuccess)
	})
	s.Run("P-KM-06 path and body name one user", func(t *testing.T) {
		s.refuses(s.a, s.bob.User, s.request(2), mimi.BadRequest)
		other, err := uri.NewUser(s.c.URI, "carl")
		if err != nil {
			t.Fatal(err)
		}
		s.refuses(s.a, other, s.request(2), mimi.BadRequest)
	})
	s.Run("the user is one of this provider", func(t *testing.T) {
		r := s.bob.ClaimRequest(s.room, s.bea.User, 0x4002)
		s.refuses(s.a, s.bea.User, r, mimi.NotFound)
	})
	s.Run("P-KM-07 at least one suite", func(t *testing.T) {
		r := s.request(2)
		r.Suites = nil
		s.refuses(s.a, s.phone.User, r, mimi.BadRequest)
	})
	s.Run("P-KM-08 the signature covers everything", func(t *testing.T) {
		for name, change := range map[string]func(*mimi.KeyMaterialRequest){
			"room":       func(r *mimi.KeyMaterialRequest) { r.Room = "mimi://a.example/r/clubhousf" },
			"suites":     func(r *mimi.KeyMaterialRequest) { r.Suites[1] ^= 1 },
			"required":   func(r *mimi.KeyMaterialRequest) { r.Required.Proposals = []wire.ProposalType{1} },
			"signature":  func(r *mimi.KeyMaterialRequest) { r.Signature[9] ^= 1 },
			"key":        func(r *mimi.KeyMaterialRequest) { r.SignatureKey = s.bea.Public },
			"credential": func(r *mimi.KeyMaterialRequest) { r.Credential = s.bea.Credential },
		} {
			r := s.request(2)
			change(r)
			s.refuses(s.a, s.phone.User, r, mimi.Forbidden)
			t.Log(name)
		}
	})
	s.Run("P-KM-09 the credential is the requesting user's, of the user's provider, with the request's key", func(t *testing.T) {
		resigned := func(change func(*mimi.KeyMaterialRequest), by *roletest.Device) *mimi.KeyMaterialRequest {
			r := s.request(2)
			change(r)
			if err := r.Sign(by.Key); err != nil {
				t.Fatal(err)
			}
			return r
		}
		stranger := roletest.New(t, "b.example").Device("b.example", "bob", "phone") // of an authority that nobody here knows
		for name, r := range map[string]*mimi.KeyMaterialRequest{
			"of another user":      resigned(func(r *mimi.KeyMaterialRequest) { r.Credential = s.bea.Credential }, s.bea),
			"in another's name":    resigned(func(r *mimi.KeyMaterialRequest) { r.RequestingUser = s.bea.User.String() }, s.bob),
			"with another key":     resigned(func(*mimi.KeyMaterialRequest) {}, s.bea),
			"of another authority": resigned(func(r *mimi.KeyMaterialRequest) { r.Credential = stranger.Credential }, stranger),
		} {
			s.refuses(s.a, s.phone.User, r, mimi.Forbidden)
			t.Log(name)
		}
		s.free(func() {
			s.Pass(400 * 24 * time.Hour) // past the end of Bob's credential
			r := s.request(2)
			_, err := s.claim(r)
			s.failsWith(err, mimi.Forbidden)
			s.Pass(-400 * 24 * time.Hour)
		})
	})
}

func TestWhatIsHandedOut(t *testing.T) {
	s := newStock(t)
	watch := s.Device("c.example", "cathy", "watch")
	s.Run("P-KM-01 an entry for each client of the user", func(t *testing.T) {
		answer := s.granted(s.request(1), mimi.KeyMaterialSuccess)
		if len(answer.Clients) != 3 {
			t.Errorf("%d clients", len(answer.Clients))
		}
	})
	s.Run("P-KM-14 success: every client with material", func(t *testing.T) {
		answer := s.granted(s.request(2), mimi.KeyMaterialSuccess)
		if len(answer.Clients) != 3 {
			t.Errorf("%d clients", len(answer.Clients))
		}
		for _, c := range answer.Clients {
			if c.Status != mimi.ClientSuccess || c.KeyPackage == nil {
				t.Errorf("%+v", c)
			}
		}
	})
	s.Run("P-KM-22 each entry names a client of the user, whose credential its KeyPackage has", func(t *testing.T) {
		s.empty(watch)
		answer := s.granted(s.request(3), mimi.KeyMaterialPartial)
		for i, d := range []*roletest.Device{s.phone, s.tablet, watch} {
			c := answer.Clients[i]
			if c.Client != d.Client.Client.String() {
				t.Errorf("entry %d is of %s", i, c.Client)
			}
			if c.KeyPackage != nil && !bytes.Equal(octets(t, &c.KeyPackage.Leaf.Credential), octets(t, &d.Credential)) {
				t.Errorf("entry %d has another credential", i)
			}
		}
	})
	s.Run("P-KM-15 partial success: some with and some without", func(t *testing.T) {
		answer := s.granted(s.request(4), mimi.KeyMaterialPartial)
		if c := answer.Clients[2]; c.Status != mimi.ClientExhausted || c.KeyPackage != nil {
			t.Errorf("%+v", c)
		}
	})
	s.Run("P-KM-10 suites and capabilities as they are asked for", func(t *testing.T) {
		sign := func(r *mimi.KeyMaterialRequest) *mimi.KeyMaterialRequest {
			if err := r.Sign(s.bob.Key); err != nil {
				t.Fatal(err)
			}
			return r
		}
		r := s.request(5)
		r.Suites = []wire.CipherSuite{3} // of the same signature scheme as suite 1; nobody published for it
		s.free(func() { s.granted(sign(r), mimi.KeyMaterialNothingCompatible) })
		for i, required := range []wire.RequiredCapabilities{
			{Extensions: []wire.ExtensionType{0xf001}}, {Proposals: []wire.ProposalType{0xf001}}, {Credentials: []wire.CredentialType{0xf001}},
		} {
			r := s.request(6 + wire.CipherSuite(i))
			r.Required = required
			s.free(func() { s.granted(sign(r), mimi.KeyMaterialNothingCompatible) })
		}
		able := watch.Package(func(p *mls.KeyPackageParams) {
			p.Capabilities = mls.DefaultCapabilities(roletest.Suite)
			p.Capabilities.Extensions = append(p.Capabilities.Extensions, 0xf001)
		})
		s.publish(watch, able)
		r = s.request(9)
		r.Required.Extensions = []wire.ExtensionType{0xf001}
		answer := s.granted(sign(r), mimi.KeyMaterialPartial)
		for i, want := range []mimi.KeyMaterialClientCode{mimi.ClientNothingCompatible, mimi.ClientNothingCompatible, mimi.ClientSuccess} {
			if got := answer.Clients[i].Status; got != want {
				t.Errorf("client %d: %d, want %d", i, got, want)
			}
		}
		r = s.request(10)
		r.Required = wire.RequiredCapabilities{Extensions: []wire.ExtensionType{wire.ExternalSendersExtension},
			Proposals: []wire.ProposalType{wire.AddProposal}, Credentials: []wire.CredentialType{wire.X509Credential}}
		s.granted(sign(r), mimi.KeyMaterialPartial) // what everybody understands is not listed anywhere
	})
	s.Run("P-KM-17 no compatible material: the clients are listed with their reasons", func(t *testing.T) {
		r := s.request(11)
		r.Suites = []wire.CipherSuite{3}
		if err := r.Sign(s.bob.Key); err != nil {
			t.Fatal(err)
		}
		answer := s.granted(r, mimi.KeyMaterialNothingCompatible)
		if len(answer.Clients) != 3 || answer.Clients[0].Status != mimi.ClientNothingCompatible || answer.Clients[2].Status != mimi.ClientExhausted {
			t.Errorf("%+v", answer.Clients)
		}
		short := &mimi.KeyMaterialResponse{Protocol: mimi.MLS10, Status: mimi.KeyMaterialNothingCompatible, User: answer.User}
		for _, form := range []*mimi.KeyMaterialResponse{answer, short} { // as requesters both are taken
			back := new(mimi.KeyMaterialResponse)
			if err := syntax.Unmarshal(octets(t, form), back); err != nil || back.Validate() != nil {
				t.Errorf("%v", err)
			}
		}
	})
	s.Run("P-KM-23 capabilities beside nothingCompatible may be there or not", func(t *testing.T) {
		caps := mls.DefaultCapabilities(roletest.Suite)
		for _, c := range []*wire.Capabilities{nil, &caps} {
			answer := &mimi.KeyMaterialResponse{Protocol: mimi.MLS10, Status: mimi.KeyMaterialNothingCompatible, User: s.phone.User.String(),
				Clients: []mimi.ClientKeyMaterial{{Status: mimi.ClientNothingCompatible, Client: s.phone.Client.Client.String(), Capabilities: c}}}
			back := new(mimi.KeyMaterialResponse)
			if err := syntax.Unmarshal(octets(t, answer), back); err != nil || (back.Clients[0].Capabilities == nil) != (c == nil) {
				t.Errorf("%v", err)
			}
		}
	})
	s.Run("P-KM-12 expired packages are not handed out", func(t *testing.T) {
		now := s.Now()
		for _, d := range []*roletest.Device{s.phone, s.tablet} {
			s.empty(d)
			s.publish(d, d.Package(func(p *mls.KeyPackageParams) { p.Lifetime.NotAfter = uint64(now.Add(2 * time.Second).Unix()) }))
		}
		s.Pass(3 * time.Second)
		s.granted(s.request(99), mimi.KeyMaterialNothingCompatible)
		s.Pass(-3 * time.Second)
		s.granted(s.request(98), mimi.KeyMaterialPartial)
	})
}

// empty claims what a device has.
func (s *stock) empty(d *roletest.Device) {
	s.T.Helper()
	for range s.left(d) {
		s.claimOne(d)
	}
}

// claimOne takes one package of a device out of the store.
func (s *stock) claimOne(d *roletest.Device) {
	s.T.Helper()
	err := s.c.Store.KeyPackages().Update(s.T.Context(), func(tx keypkg.Tx) error {
		list, err := tx.Available(d.Client.Client, roletest.Suite, s.Now(), 1)
		if err != nil {
			return err
		}
		_, err = tx.Take(list[0].Ref)
		return err
	})
	if err != nil {
		s.T.Fatal(err)
	}
}

func (s *stock) publish(d *roletest.Device, bundles ...*mls.KeyPackageBundle) {
	s.T.Helper()
	var list []wire.KeyPackage
	for _, b := range bundles {
		list = append(list, b.KeyPackage)
	}
	if _, err := s.c.Packages.Publish(s.T.Context(), d.User, d.Client.Client, list); err != nil {
		s.T.Fatal(err)
	}
}

func TestOnceEach(t *testing.T) {
	s := newStock(t)
	s.Run("P-KM-11 none is handed out twice, whoever asks, at whichever node, after a restart either", func(t *testing.T) {
		nodes := []*keypkg.Packages{s.c.Packages, keypkg.New(s.c.PackagesConfig)}
		seen := make(map[string]int)
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 50 {
			r := s.request(wire.CipherSuite(i))
			wg.Add(1)
			go func() {
				defer wg.Done()
				answer, err := nodes[i%2].Claim(t.Context(), s.a, s.phone.User, r)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				for _, ref := range refs(t, answer) {
					seen[ref]++
				}
			}()
		}
		wg.Wait()
		if len(seen) != 16 {
			t.Errorf("%d packages handed out of 16", len(seen))
		}
		for ref, n := range seen {
			if n != 1 {
				t.Errorf("%x handed out %d times", ref, n)
			}
		}
		s.c.Restart()
		s.granted(s.request(60), mimi.KeyMaterialNothingCompatible)
	})
	s.Run("P-KM-11 publishing a used one again does not bring it back", func(t *testing.T) {
		s.phone.Publish(1)
		answer := s.granted(s.request(61), mimi.KeyMaterialPartial)
		kp := *answer.Clients[0].KeyPackage
		n, err := s.c.Packages.Publish(t.Context(), s.phone.User, s.phone.Client.Client, []wire.KeyPackage{kp})
		if err != nil || n != 0 {
			t.Errorf("%d are unclaimed, %v", n, err)
		}
		s.granted(s.request(62), mimi.KeyMaterialNothingCompatible)
	})
	s.Run("P-KM-27 the packages of one room are not those of another", func(t *testing.T) {
		s.phone.Publish(2)
		first := s.granted(s.request(63), mimi.KeyMaterialPartial)
		other := s.bob.ClaimRequest("mimi://a.example/r/other", s.phone.User, 0x4000+63)
		second := s.granted(other, mimi.KeyMaterialPartial)
		if refs(t, first)[0] == refs(t, second)[0] {
			t.Error("the same")
		}
	})
}

func TestRepeatedClaims(t *testing.T) {
	s := newStock(t)
	s.Run("P-KM-28 the same request has the same answer for a day, and takes nothing", func(t *testing.T) {
		r := s.request(1)
		first := octets(t, s.granted(r, mimi.KeyMaterialSuccess))
		s.Pass(keypkg.AnswerLife - time.Second)
		s.c.Restart()
		s.free(func() {
			if again := octets(t, s.granted(r, mimi.KeyMaterialSuccess)); !bytes.Equal(again, first) {
				t.Error("another answer")
			}
		})
		s.Pass(2 * time.Second)
		if _, err := s.c.Packages.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if again := octets(t, s.granted(r, mimi.KeyMaterialSuccess)); bytes.Equal(again, first) {
			t.Error("the same packages after a day")
		}
	})
	s.Run("P-TR-17 a repetition after a lost answer gets the packages that were taken", func(t *testing.T) {
		r := s.request(2)
		outcomes := []memory.Outcome{memory.LostAndKnown}
		s.c.Store.Fault = func() memory.Outcome {
			if len(outcomes) == 0 {
				return memory.Committed
			}
			next := outcomes[0]
			outcomes = outcomes[1:]
			return next
		}
		before := s.left(s.phone)
		_, err := s.claim(r)
		s.failsWith(err, mimi.Internal)
		if s.left(s.phone) != before-1 {
			t.Fatal("nothing was taken")
		}
		s.free(func() { s.granted(r, mimi.KeyMaterialSuccess) })
		outcomes = []memory.Outcome{memory.Lost}
		s.free(func() {
			_, err := s.claim(s.request(3))
			s.failsWith(err, mimi.Internal)
		})
	})
	s.Run("another caller's repetition is another request", func(t *testing.T) {
		r := s.bob.ClaimRequest("", s.phone.User, 0x4001)
		if _, err := s.c.Packages.Claim(t.Context(), s.b, s.phone.User, r); err != nil {
			t.Fatal(err)
		}
		s.refuses(s.a, s.phone.User, r, mimi.Forbidden)
	})
	s.Run("what took nothing is judged anew", func(t *testing.T) {
		s.empty(s.phone)
		s.empty(s.tablet)
		r := s.request(4)
		s.granted(r, mimi.KeyMaterialNothingCompatible)
		s.phone.Publish(1)
		s.granted(r, mimi.KeyMaterialPartial)
	})
}

func TestConsent(t *testing.T) {
	s := newStock(t)
	verdict := mimi.KeyMaterialNoConsent
	var asked string
	consent := func(_ context.Context, requester, target uri.User, room string) mimi.KeyMaterialUserCode {
		asked = fmt.Sprint(requester, target, room)
		return verdict
	}
	nobody, err := uri.NewUser(s.c.URI, "nobody")
	if err != nil {
		t.Fatal(err)
	}
	unknown := s.bob.ClaimRequest(s.room, nobody, 0x4001)
	s.Run("P-KM-21 without consent nothing is reserved", func(t *testing.T) {
		s.with(func(c *keypkg.Config) { c.Consent = consent }, func() {
			s.free(func() { s.granted(s.request(1), mimi.KeyMaterialNoConsent) })
			if asked != fmt.Sprint(s.bob.User, s.phone.User, s.room) {
				t.Errorf("asked about %s", asked)
			}
			verdict = mimi.KeyMaterialSuccess
			s.granted(s.request(1), mimi.KeyMaterialSuccess)
		})
	})
	s.Run("P-KM-18 a failure lists no clients", func(t *testing.T) {
		s.with(func(c *keypkg.Config) { c.Consent = consent }, func() {
			for _, verdict = range []mimi.KeyMaterialUserCode{
				mimi.KeyMaterialNoConsent, mimi.KeyMaterialNoConsentInThisRoom, mimi.KeyMaterialUserDeleted, mimi.KeyMaterialUserUnknown,
			} {
				if answer := s.granted(s.request(2), verdict); len(answer.Clients) != 0 {
					t.Errorf("status %d lists %d clients", answer.Status, len(answer.Clients))
				}
			}
		})
		answer, err := s.c.Packages.Claim(t.Context(), s.a, nobody, unknown)
		if err != nil || answer.Status != mimi.KeyMaterialUserUnknown || len(answer.Clients) != 0 {
			t.Errorf("%+v, %v", answer, err)
		}
	})
	hidden := func(change func(*keypkg.Config), f func()) {
		s.with(func(c *keypkg.Config) { c.HideUsers = true; c.Consent = consent; change(c) }, f)
	}
	s.Run("P-KM-19 where users are hidden, who does not exist looks like who does not consent", func(t *testing.T) {
		hidden(func(*keypkg.Config) {}, func() {
			verdict = mimi.KeyMaterialSuccess
			absent, err := s.c.Packages.Claim(t.Context(), s.a, nobody, unknown)
			if err != nil {
				t.Fatal(err)
			}
			for _, verdict = range []mimi.KeyMaterialUserCode{mimi.KeyMaterialNoConsent, mimi.KeyMaterialUserDeleted} {
				refused := s.granted(s.request(3), mimi.KeyMaterialNoConsent)
				refused.User = absent.User
				if !bytes.Equal(octets(t, refused), octets(t, absent)) {
					t.Errorf("%+v and %+v", refused, absent)
				}
			}
		})
	})
	s.Run("P-KM-20 and the refusal of one room like that of all", func(t *testing.T) {
		hidden(func(*keypkg.Config) {}, func() {
			verdict = mimi.KeyMaterialNoConsentInThisRoom
			s.granted(s.request(4), mimi.KeyMaterialNoConsent)
		})
	})
	s.Run("P-KM-30 the rate is bounded for each caller, requester and target", func(t *testing.T) {
		type key struct {
			caller            uri.Provider
			requester, target uri.User
		}
		used := make(map[key]int)
		limit := func(caller uri.Provider, requester, target uri.User) bool {
			k := key{caller, requester, target}
			used[k]++
			return used[k] <= 2
		}
		s.with(func(c *keypkg.Config) { c.Limit = limit }, func() {
			for n := range wire.CipherSuite(2) {
				s.granted(s.request(20+n), mimi.KeyMaterialSuccess)
			}
			s.refuses(s.a, s.phone.User, s.request(22), mimi.TooMany)
			s.granted(s.request(20), mimi.KeyMaterialSuccess) // a repetition does not count
			r := s.bea.ClaimRequest(s.room, s.phone.User, 0x4001)
			s.granted(r, mimi.KeyMaterialSuccess)
		})
	})
}
