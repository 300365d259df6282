package mimitest

import (
	"testing"

	"parley/mimi"
	"parley/mimitest/wirecase"
	"parley/syntax"
	"parley/uri"
)

// Sample is a request that decodes, with the identifier that its path has to name.
type Sample struct {
	Endpoint mimi.Endpoint
	Target   string
	Body     []byte
}

// Samples returns one good request per endpoint that this slice offers, from the wire vectors.
func Samples(t testing.TB) []Sample {
	t.Helper()
	out := []Sample{
		{mimi.KeyMaterial, "", first(t, "key-material", "KeyMaterialRequest")},
		{mimi.Update, Room, first(t, "update", "UpdateRequest")},
		{mimi.Notify, Room, first(t, "notify", "NotifyBody")},
		{mimi.SubmitMessage, Room, first(t, "submit", "SubmitMessageRequest")},
		{mimi.GroupInfo, Room, first(t, "group-info", "GroupInfoRequest")},
	}
	out = append(out, consents(t)...)
	out = append(out, Sample{mimi.ReportAbuse, Room, first(t, "abuse", "AbuseReport")})
	var r mimi.KeyMaterialRequest
	if err := syntax.Unmarshal(out[0].Body, &r); err != nil {
		t.Fatal(err)
	}
	out[0].Target = r.TargetUser
	return out
}

// consents are what goes to a.example: a request to its user Alice, and a revoke by Bob of what Alice asked for. The path names the
// domain only.
func consents(t testing.TB) []Sample {
	t.Helper()
	var r mimi.ConsentEntry
	if err := syntax.Unmarshal(first(t, "consent", "ConsentEntry"), &r); err != nil {
		t.Fatal(err)
	}
	encode := func(op mimi.ConsentOperation) []byte {
		r.Operation = op
		octets, err := syntax.Marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		return octets
	}
	answer := encode(mimi.ConsentRevoke)
	r.Requester, r.Target = r.Target, r.Requester
	return []Sample{{mimi.RequestConsent, "a.example", encode(mimi.ConsentRequest)}, {mimi.UpdateConsent, "a.example", answer}}
}

func first(t testing.TB, file, structure string) []byte {
	t.Helper()
	for _, c := range wirecase.Load(t, file) {
		if c.Structure == structure && c.Fields != nil {
			return wirecase.Bytes(t, c.Hex)
		}
	}
	t.Fatalf("no case of %s", structure)
	return nil
}

// Path is where a Parley server has the endpoint for an identifier.
func Path(e mimi.Endpoint, target string) string {
	return "/mimi/" + e.String() + "/" + uri.Escape(target)
}

// Hostile returns bodies that look like the sample and must not be accepted: cut, prolonged, with impossible lengths.
func (s Sample) Hostile() map[string][]byte {
	prolonged := append(append([]byte(nil), s.Body...), 0)
	bomb := append([]byte(nil), s.Body[:len(s.Body)/2]...)
	bomb = append(bomb, 0xbf, 0xff, 0xff, 0xff) // a vector of 2^30-1 octets that are not there
	overlong := append([]byte{0xff}, s.Body...)
	return map[string][]byte{
		"empty": {}, "one octet": s.Body[:1], "half": s.Body[:len(s.Body)/2], "last octet missing": s.Body[:len(s.Body)-1],
		"trailing octet": prolonged, "length bomb": bomb, "wrong start": overlong, "zeros": make([]byte, 512),
		"trailing octets": append(append([]byte(nil), s.Body...), 0xff, 0xff, 0xff),
	}
}
