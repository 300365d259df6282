package mimihttp_test

import (
	"bytes"
	"net/http"
	"testing"

	"parley/mimi"
	"parley/mimitest"
	"parley/mls/wire"
	"parley/syntax"
)

func octets(t testing.TB, v syntax.Value) []byte {
	t.Helper()
	out, err := syntax.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestConsentEndpoints(t *testing.T) {
	ask := decoded[mimi.ConsentEntry](t, sample(t, mimi.RequestConsent))
	send := func(t *testing.T, e mimi.Endpoint, path string, change func(*mimi.ConsentEntry)) (int, string, []mimitest.Call) {
		w := newWorld(t, nil)
		r := *ask
		if e == mimi.UpdateConsent {
			r = *decoded[mimi.ConsentEntry](t, sample(t, mimi.UpdateConsent))
		}
		if change != nil {
			change(&r)
		}
		resp, body := w.do(request{path: mimitest.Path(e, path), body: bytes.NewReader(octets(t, &r))})
		return resp.StatusCode, body, w.service.Calls()
	}
	refused := func(t *testing.T, e mimi.Endpoint, path string, change func(*mimi.ConsentEntry)) {
		t.Helper()
		if status, _, calls := send(t, e, path, change); status != http.StatusBadRequest || len(calls) != 0 {
			t.Errorf("status %d, %d calls", status, len(calls))
		}
	}
	taken := func(t *testing.T, e mimi.Endpoint, path string, change func(*mimi.ConsentEntry)) {
		t.Helper()
		if status, body, calls := send(t, e, path, change); status != http.StatusCreated || body != "" || len(calls) != 1 {
			t.Errorf("status %d %q, %d calls", status, body, len(calls))
		}
	}
	op := func(o mimi.ConsentOperation) func(*mimi.ConsentEntry) {
		return func(r *mimi.ConsentEntry) { r.Operation = o }
	}
	t.Run("P-CO-02 requestConsent takes request and cancel only", func(t *testing.T) {
		taken(t, mimi.RequestConsent, "a.example", op(mimi.ConsentRequest))
		taken(t, mimi.RequestConsent, "a.example", op(mimi.ConsentCancel))
		refused(t, mimi.RequestConsent, "a.example", op(mimi.ConsentGrant))
		refused(t, mimi.RequestConsent, "a.example", op(mimi.ConsentRevoke))
	})
	t.Run("P-CO-03 updateConsent takes grant and revoke only", func(t *testing.T) {
		taken(t, mimi.UpdateConsent, "a.example", op(mimi.ConsentGrant))
		taken(t, mimi.UpdateConsent, "a.example", op(mimi.ConsentRevoke))
		refused(t, mimi.UpdateConsent, "a.example", op(mimi.ConsentRequest))
		refused(t, mimi.UpdateConsent, "a.example", op(mimi.ConsentCancel))
	})
	t.Run("the path names the provider or the user of the body", func(t *testing.T) {
		taken(t, mimi.RequestConsent, ask.Target, nil)
		refused(t, mimi.RequestConsent, "b.example", nil)
		refused(t, mimi.RequestConsent, "mimi://a.example/u/somebody", nil)
		refused(t, mimi.UpdateConsent, "b.example", nil)
	})
	t.Run("parties are users and the room is one", func(t *testing.T) {
		refused(t, mimi.RequestConsent, "a.example", func(r *mimi.ConsentEntry) { r.Requester = "mimi://b.example/r/bob" })
		refused(t, mimi.RequestConsent, "a.example", func(r *mimi.ConsentEntry) { r.Target = "mimi://a.example" })
		refused(t, mimi.RequestConsent, "a.example", func(r *mimi.ConsentEntry) { r.Room = &r.Target })
	})
	t.Run("P-CO-17 extensions are sorted and unique, and unknown ones do not matter", func(t *testing.T) {
		taken(t, mimi.RequestConsent, "a.example", func(r *mimi.ConsentEntry) {
			r.Extensions = wire.AppDataDictionary{Entries: []wire.ComponentData{{ID: 0xa0a}, {ID: 0x8001, Data: []byte{1}}}}
		})
		good := octets(t, ask)
		base := good[:len(good)-1] // without the empty dictionary
		for name, dictionary := range map[string][]byte{
			"absent":   {},
			"unsorted": {6, 0x80, 0x01, 0, 0x0a, 0x0a, 0},
			"twice":    {6, 0x0a, 0x0a, 0, 0x0a, 0x0a, 0},
		} {
			w := newWorld(t, nil)
			body := append(append([]byte(nil), base...), dictionary...)
			resp, _ := w.do(request{path: mimitest.Path(mimi.RequestConsent, "a.example"), body: bytes.NewReader(body)})
			if resp.StatusCode != http.StatusBadRequest || len(w.service.Calls()) != 0 {
				t.Errorf("%s: status %d", name, resp.StatusCode)
			}
		}
	})
	t.Run("P-CO-16 a provider that is no peer is refused", func(t *testing.T) {
		w := newWorld(t, nil)
		resp, _ := w.do(request{cert: w.authority.For(t, "c.example"), from: []string{"mimi@c.example"},
			path: mimitest.Path(mimi.RequestConsent, "a.example"), body: bytes.NewReader(octets(t, ask))})
		w.refused(resp, http.StatusForbidden)
	})
}

func TestReportEndpoint(t *testing.T) {
	send := func(t *testing.T, body []byte) (int, string, int) {
		w := newWorld(t, nil)
		resp, answer := w.do(request{path: mimitest.Path(mimi.ReportAbuse, mimitest.Room), body: bytes.NewReader(body)})
		return resp.StatusCode, answer, len(w.service.Calls())
	}
	good := decoded[mimi.AbuseReport](t, sample(t, mimi.ReportAbuse))
	t.Run("P-AB-03 what was taken is answered with 201 and no body", func(t *testing.T) {
		if status, body, calls := send(t, octets(t, good)); status != http.StatusCreated || body != "" || calls != 1 {
			t.Errorf("status %d %q, %d calls", status, body, calls)
		}
	})
	t.Run("P-AB-09 the note is UTF-8 and may be empty", func(t *testing.T) {
		r := *good
		r.Note = ""
		if status, _, _ := send(t, octets(t, &r)); status != http.StatusCreated {
			t.Errorf("empty: status %d", status)
		}
		r.Note = "note"
		body := bytes.Replace(octets(t, &r), []byte("\x04note"), []byte("\x04no\xff\xfe"), 1)
		if status, _, calls := send(t, body); status != http.StatusBadRequest || calls != 0 {
			t.Errorf("not UTF-8: status %d, %d calls", status, calls)
		}
	})
	t.Run("P-AB-08 reasons that nobody knows are taken as they are", func(t *testing.T) {
		for _, reason := range []mimi.AbuseReason{0, 200} {
			r := *good
			r.Reason = reason
			if status, _, _ := send(t, octets(t, &r)); status != http.StatusCreated {
				t.Errorf("%d: status %d", reason, status)
			}
		}
	})
	t.Run("P-AB-11 extensions are parsed, and unknown ones do not matter", func(t *testing.T) {
		r := *good
		r.Extensions = wire.AppDataDictionary{Entries: []wire.ComponentData{{ID: 0xa0a}, {ID: 0x8001, Data: []byte{1}}}}
		body := octets(t, &r)
		if status, _, _ := send(t, body); status != http.StatusCreated {
			t.Errorf("status %d", status)
		}
		if status, _, calls := send(t, body[:len(body)-1]); status != http.StatusBadRequest || calls != 0 {
			t.Errorf("cut: status %d", status)
		}
	})
	t.Run("a report names a user as the abuser", func(t *testing.T) {
		r := *good
		r.Abuser = "bob"
		if status, _, calls := send(t, octets(t, &r)); status != http.StatusBadRequest || calls != 0 {
			t.Errorf("status %d", status)
		}
	})
}
