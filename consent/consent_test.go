package consent_test

import (
	"testing"
	"time"

	"parley/consent"
	"parley/mimi"
)

var start = time.Unix(1_800_000_000, 0)

// play applies operations a minute apart and returns the record and the news.
func play(ops ...mimi.ConsentOperation) (r consent.Record, news []bool) {
	for i, op := range ops {
		var told bool
		r, told = r.Apply(op, start.Add(time.Duration(i)*time.Minute))
		news = append(news, told)
	}
	return r, news
}

const (
	request = mimi.ConsentRequest
	cancel  = mimi.ConsentCancel
	grant   = mimi.ConsentGrant
	revoke  = mimi.ConsentRevoke
)

func TestApply(t *testing.T) {
	for _, c := range []struct {
		name string
		ops  []mimi.ConsentOperation
		want consent.Standing
		news bool // of the last
	}{
		{"a request waits", []mimi.ConsentOperation{request}, consent.Asked, true},
		{"asking again is no news", []mimi.ConsentOperation{request, request}, consent.Asked, false},
		{"P-CO-07 cancel without a request has no effect", []mimi.ConsentOperation{cancel}, consent.None, false},
		{"cancel ends a request", []mimi.ConsentOperation{request, cancel}, consent.None, true},
		{"after a cancel it can be asked again", []mimi.ConsentOperation{request, cancel, request}, consent.Asked, true},
		{"grant answers a request", []mimi.ConsentOperation{request, grant}, consent.Granted, true},
		{"P-CO-10 grant comes without a request", []mimi.ConsentOperation{grant}, consent.Granted, true},
		{"cancel does not take a grant back", []mimi.ConsentOperation{request, grant, cancel}, consent.Granted, false},
		{"a request after a grant changes nothing", []mimi.ConsentOperation{grant, request}, consent.Granted, false},
		{"revoke takes it back", []mimi.ConsentOperation{grant, revoke}, consent.Refused, true},
		{"P-CO-15 revoke before any request refuses it", []mimi.ConsentOperation{revoke, request}, consent.Refused, false},
		{"P-CO-15 cancel does not lift it", []mimi.ConsentOperation{revoke, request, cancel, request}, consent.Refused, false},
		{"grant lifts a refusal", []mimi.ConsentOperation{revoke, grant}, consent.Granted, true},
		{"the second grant is no news", []mimi.ConsentOperation{grant, grant}, consent.Granted, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, news := play(c.ops...)
			if r.Standing != c.want || news[len(news)-1] != c.news {
				t.Errorf("%s, news %v; want %s, %v", r.Standing, news, c.want, c.news)
			}
		})
	}
}

func TestExpiry(t *testing.T) {
	asked, _ := play(request)
	if asked.Expired(start.Add(consent.AskedFor - time.Second)) {
		t.Error("too early")
	}
	late := start.Add(consent.AskedFor)
	if !asked.Expired(late) {
		t.Error("never")
	}
	if next, news := asked.Apply(request, late); next.Standing != consent.Asked || !news || next.At != late {
		t.Errorf("a request after that is a new one: %+v %v", next, news)
	}
	for _, op := range []mimi.ConsentOperation{grant, revoke} {
		if r, _ := play(op); r.Expired(start.Add(100 * consent.AskedFor)) {
			t.Errorf("operation %d has expired", op)
		}
	}
}

func TestDecide(t *testing.T) {
	every := func(s consent.Standing) consent.Record { return consent.Record{Standing: s} }
	const (
		yes     = mimi.KeyMaterialSuccess
		no      = mimi.KeyMaterialNoConsent
		notHere = mimi.KeyMaterialNoConsentInThisRoom
	)
	for _, c := range []struct {
		name string
		m    consent.Matter
		want mimi.KeyMaterialUserCode
	}{
		{"open", consent.Matter{Rule: consent.Open}, yes},
		{"own, of another provider", consent.Matter{Rule: consent.Own}, no},
		{"own, of the same", consent.Matter{Rule: consent.Own, Local: true}, yes},
		{"ask", consent.Matter{Rule: consent.Ask, Local: true}, no},
		{"no rule", consent.Matter{}, no},
		{"a request is no consent", consent.Matter{Rule: consent.Ask, Every: every(consent.Asked), Room: every(consent.Asked)}, no},
		{"granted", consent.Matter{Rule: consent.Ask, Every: every(consent.Granted)}, yes},
		{"P-CO-09 granted for the room", consent.Matter{Rule: consent.Ask, Room: every(consent.Granted)}, yes},
		{"refused", consent.Matter{Rule: consent.Open, Every: every(consent.Refused)}, no},
		{"P-CO-09 refused for the room only", consent.Matter{Rule: consent.Open, Every: every(consent.Granted), Room: every(consent.Refused)}, notHere},
		{"granted for the room only", consent.Matter{Rule: consent.Open, Every: every(consent.Refused), Room: every(consent.Granted)}, yes},
		{"blocked", consent.Matter{Rule: consent.Open, Blocked: true, Every: every(consent.Granted), Room: every(consent.Granted)}, no},
	} {
		if got := c.m.Decide(); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if consent.Rule("").Valid() || !consent.Own.Valid() {
		t.Error("rules")
	}
}
