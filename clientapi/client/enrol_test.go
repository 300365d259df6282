package client_test

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/clientapi/api"
	apiclient "parley/clientapi/client"
	"parley/credential"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
)

// records is a store of a client that holds what the test put there.
type records map[string][]byte

func (r records) Load(_ context.Context, prefix string) ([]mls.Record, error) {
	var out []mls.Record
	for k, v := range r {
		if strings.HasPrefix(k, prefix) {
			out = append(out, mls.Record{Key: k, Value: v})
		}
	}
	return out, nil
}

func (r records) Commit(_ context.Context, changes mls.Delta) error {
	for _, c := range changes {
		r[c.Key] = c.Value
	}
	return nil
}

func TestEnrol(t *testing.T) {
	w := newWorld(t)
	transport, _ := w.serve()
	for _, id := range suite.All() {
		device := "device-" + string('a'+rune(id))
		e, err := apiclient.Enrol(t.Context(), transport, apiclient.Enrolment{Code: w.invite(), Device: device, Suite: id})
		must(t, err)
		a := e.Account
		if a.User.String() != "mimi://a.example/u/alice" || a.Client.String() != "mimi://a.example/d/alice/"+device || a.Suite != id || e.Provider != w.provider {
			t.Errorf("suite %d: %v, %v", id, a.User, a.Client)
		}
		if got, err := credential.Parse(a.Credential); err != nil || got.User != a.User || got.Client != a.Client || got.Gateway {
			t.Errorf("suite %d: credential %+v, %v", id, got, err)
		}
		if !bytes.Equal(a.HubSender.SignatureKey, []byte{1}) {
			t.Errorf("suite %d: hub %+v", id, a.HubSender)
		}
		if d, err := w.accounts.Authenticate(t.Context(), e.Token); err != nil || d.Client != a.Client {
			t.Errorf("suite %d: token of %v, %v", id, d.Client, err)
		}
		store := make(records)
		must(t, client.SaveAccount(t.Context(), store, a))
		loaded, err := client.LoadAccount(t.Context(), store)
		if err != nil || loaded.Client != a.Client || !a.Signer.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(loaded.Signer.Public()) {
			t.Errorf("suite %d: the account does not come back: %v", id, err)
		}
	}
}

func TestEnrolWithAKeyOfOnesOwn(t *testing.T) {
	w := newWorld(t)
	transport, _ := w.serve()
	key, err := suiteOf(t, 2).GenerateSignatureKey()
	must(t, err)
	e, err := apiclient.Enrol(t.Context(), transport, apiclient.Enrolment{Code: w.invite(), Device: "phone", Suite: 2, Signer: key})
	must(t, err)
	if e.Account.Signer != key {
		t.Error("another key is used")
	}
	if _, err := apiclient.Enrol(t.Context(), transport, apiclient.Enrolment{Code: w.invite(), Device: "pad", Suite: 1, Signer: key}); err == nil {
		t.Error("a key of another scheme was taken")
	}
	if _, err := apiclient.Enrol(t.Context(), transport, apiclient.Enrolment{Code: w.invite(), Device: "pad", Suite: 77}); err == nil {
		t.Error("an unknown suite was taken")
	}
}

func TestEnrolIsRefused(t *testing.T) {
	w := newWorld(t)
	transport, _ := w.serve()
	code := w.invite()
	enrol := func(code, device string) error {
		_, err := apiclient.Enrol(t.Context(), transport, apiclient.Enrolment{Code: code, Device: device, Suite: 1})
		return err
	}
	must(t, enrol(code, "phone"))
	refused(t, enrol(code, "pad"), api.NotFound)
	refused(t, enrol("NEVER-GIVEN", "pad"), api.NotFound)
	fresh := w.invite()
	refused(t, enrol(fresh, "phone"), api.Conflict)
	must(t, enrol(fresh, "pad")) // the refusal did not spend it
}

// A provider's answer is not believed: the certificate is what other members will judge the client by.
func TestEnrolChecksTheAnswer(t *testing.T) {
	other := newWorld(t) // another CA of the same name
	stranger, err := suiteOf(t, 1).GenerateSignatureKey()
	must(t, err)
	for name, c := range map[string]struct {
		change func(*world, *api.EnrolResponse)
		want   error
	}{
		"other user":      {func(_ *world, r *api.EnrolResponse) { r.User = "mimi://a.example/u/bob" }, apiclient.ErrNames},
		"no user":         {func(_ *world, r *api.EnrolResponse) { r.User = "" }, apiclient.ErrNames},
		"foreign user":    {func(_ *world, r *api.EnrolResponse) { r.User = "mimi://b.example/u/alice" }, apiclient.ErrNames},
		"other client":    {func(_ *world, r *api.EnrolResponse) { r.Client = "mimi://a.example/d/alice/pad" }, apiclient.ErrNames},
		"no client":       {func(_ *world, r *api.EnrolResponse) { r.Client = "x" }, apiclient.ErrNames},
		"no token":        {func(_ *world, r *api.EnrolResponse) { r.Token = "" }, apiclient.ErrNames},
		"no provider":     {func(_ *world, r *api.EnrolResponse) { r.Provider.URI = "" }, apiclient.ErrNames},
		"other provider":  {func(_ *world, r *api.EnrolResponse) { r.Provider.URI = "mimi://b.example" }, apiclient.ErrNames},
		"no certificate":  {func(_ *world, r *api.EnrolResponse) { r.Certificates = nil }, apiclient.ErrCredential},
		"not a certicate": {func(_ *world, r *api.EnrolResponse) { r.Certificates = [][]byte{{1}} }, apiclient.ErrCredential},
		"no authorities":  {func(_ *world, r *api.EnrolResponse) { r.Provider.Authorities = nil }, apiclient.ErrCredential},
		"no hub key":      {func(_ *world, r *api.EnrolResponse) { r.Provider.ExternalSenders = nil }, apiclient.ErrSuite},
		"other authority": {func(_ *world, r *api.EnrolResponse) {
			r.Provider.Authorities[0].Certificates = [][]byte{other.ca.Cert.Raw}
		}, apiclient.ErrCredential},
		"certificate of another key": {func(w *world, r *api.EnrolResponse) {
			d, err := w.accounts.Authenticate(t.Context(), r.Token)
			must(t, err)
			c, err := w.ca.IssueClient(d.User, d.Client, stranger.Public(), time.Now(), time.Hour, false)
			must(t, err)
			r.Certificates = c.Certificates
		}, apiclient.ErrCredential},
		"another client altogether": {func(w *world, r *api.EnrolResponse) {
			_, e := w.enrolled(w.transport())
			r.Client, r.Certificates = e.Account.Client.String(), e.Account.Credential.Certificates
			if e.Account.Client.Device() != "phone" {
				t.Error(e.Account.Client)
			}
		}, apiclient.ErrNames},
		"certificate of another client": {func(w *world, r *api.EnrolResponse) {
			_, e := w.enrolled(w.transport())
			r.Certificates = e.Account.Credential.Certificates
		}, apiclient.ErrNames},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			transport, _ := w.serve()
			w.change = func(r *api.EnrolResponse) {
				w.change = nil
				c.change(w, r)
			}
			_, err := apiclient.Enrol(t.Context(), transport, apiclient.Enrolment{Code: w.invite(), Device: "laptop", Suite: 1})
			if !errors.Is(err, c.want) || errors.As(err, new(*client.RetryError)) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func (w *world) transport() apiclient.Transport {
	t, _ := w.serve()
	return t
}

// The answer is lost: the client cannot know, and the repetition tells it that the code is spent.
func TestEnrolWhoseAnswerIsLost(t *testing.T) {
	w := newWorld(t)
	transport, _ := w.serve()
	lost := func(ctx context.Context, r *apiclient.Request) (*apiclient.Response, error) {
		response, err := transport(ctx, r)
		if err != nil {
			return nil, err
		}
		return nil, errors.Join(response.Body.Close(), errors.New("connection reset"))
	}
	e := apiclient.Enrolment{Code: w.invite(), Device: "phone", Suite: 1}
	_, err := apiclient.Enrol(t.Context(), lost, e)
	retry(t, err, "")
	_, err = apiclient.Enrol(t.Context(), transport, e)
	refused(t, err, api.NotFound)
}

func TestRenew(t *testing.T) {
	w := newWorld(t)
	transport, _ := w.serve()
	c, e := w.enrolled(transport)
	roots, err := apiclient.Roots(e.Authorities)
	must(t, err)
	fresh, err := suiteOf(t, 1).GenerateSignatureKey()
	must(t, err)
	for name, key := range map[string]crypto.Signer{"same key": e.Account.Signer, "fresh key": fresh} {
		a, err := c.Renew(t.Context(), e.Account, key, roots, time.Now())
		must(t, err)
		if a.Client != e.Account.Client || a.Signer.Public() == nil || slices.EqualFunc(a.Credential.Certificates, e.Account.Credential.Certificates, bytes.Equal) {
			t.Errorf("%s: nothing is new", name)
		}
		public, err := suiteOf(t, 1).SignaturePublicKey(key.Public())
		must(t, err)
		check := mls.LeafCheck{Use: mls.UseKeyPackage, Leaf: &wire.LeafNode{SignatureKey: public, Credential: a.Credential}, Now: time.Now()}
		if err := credential.Validator(roots)(check); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Renew(t.Context(), e.Account, fresh, roots, time.Now().Add(60*24*time.Hour)); !errors.Is(err, apiclient.ErrCredential) {
		t.Errorf("a certificate that has expired by our clock: %v", err)
	}
	other := newWorld(t)
	foreign, err := apiclient.Roots(other.about().Authorities)
	must(t, err)
	if _, err := c.Renew(t.Context(), e.Account, fresh, foreign, time.Now()); !errors.Is(err, apiclient.ErrCredential) {
		t.Errorf("a certificate of another authority: %v", err)
	}
	ec, err := suiteOf(t, 2).GenerateSignatureKey()
	must(t, err)
	_, err = c.Renew(t.Context(), e.Account, ec, roots, time.Now())
	refused(t, err, api.BadRequest)
	_, err = apiclient.New(transport, w.provider, "other").Renew(t.Context(), e.Account, fresh, roots, time.Now())
	refused(t, err, api.Unauthenticated)
}

func TestRootsRefuse(t *testing.T) {
	for name, list := range map[string][]api.Authority{
		"not a provider":    {{Provider: "a.example"}},
		"not a certificate": {{Provider: "mimi://a.example", Certificates: [][]byte{{1}}}},
	} {
		if _, err := apiclient.Roots(list); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	roots, err := apiclient.Roots(nil)
	if err != nil || roots(newWorld(t).provider) != nil {
		t.Errorf("no authorities: %v", err)
	}
}

// The browser's client must not carry net/http (1.6 MB of gzip without it).
func TestWebAssemblyDoesWithoutHTTP(t *testing.T) {
	list := exec.Command("go", "list", "-deps", ".")
	list.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := list.Output()
	must(t, err)
	packages := strings.Fields(string(out))
	if !slices.Contains(packages, "parley/client") {
		t.Fatalf("go list says %q", out)
	}
	for _, heavy := range []string{"net/http", "parley/clientapi/server", "log/slog"} {
		if slices.Contains(packages, heavy) {
			t.Errorf("links %s", heavy)
		}
	}
}
