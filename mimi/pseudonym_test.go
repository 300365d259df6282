package mimi_test

import (
	"bytes"
	"reflect"
	"testing"

	"parley/mimi"
	"parley/mls/wire"
	"parley/syntax"
	"parley/syntax/syntaxtest"
)

// Octets by hand from §6.1: each field is a length and its octets.
func TestPseudonymousCredential(t *testing.T) {
	credential := mimi.PseudonymousCredential{Client: "mimi://b/d/1", User: "mimi://b/p/2", Key: []byte{1, 2}, Link: []byte{3}}
	octets := append(append([]byte{12}, "mimi://b/d/1"...), append([]byte{12}, "mimi://b/p/2"...)...)
	tbs := append(bytes.Clone(octets), 2, 1, 2)
	whole := append(bytes.Clone(tbs), 1, 3)
	link := mimi.IdentityLink{Signature: []byte{9}, Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte("b")}}
	for name, c := range map[string]struct {
		value, fresh syntax.Value
		octets       []byte
	}{
		"credential": {&credential, new(mimi.PseudonymousCredential), whole},
		"signed":     {credential.Signed(), new(mimi.PseudonymousCredentialTBS), tbs},
		"link":       {&link, new(mimi.IdentityLink), []byte{1, 9, 0, 1, 1, 'b'}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := syntax.Marshal(c.value); err != nil || !bytes.Equal(got, c.octets) {
				t.Fatalf("%x, %v; want %x", got, err, c.octets)
			}
			if err := syntax.Unmarshal(c.octets, c.fresh); err != nil || !reflect.DeepEqual(c.fresh, c.value) {
				t.Fatalf("%+v, %v", c.fresh, err)
			}
			for n := range c.octets {
				if err := syntax.Unmarshal(c.octets[:n], reflect.New(reflect.TypeOf(c.fresh).Elem()).Interface().(syntax.Value)); err == nil {
					t.Errorf("%d of %d octets were taken", n, len(c.octets))
				}
			}
			if err := syntax.Unmarshal(append(bytes.Clone(c.octets), 0), c.fresh); err == nil {
				t.Error("a trailing octet was taken")
			}
		})
	}
	t.Run("a leaf carries one as unknown content, unchanged", func(t *testing.T) {
		in := wire.Credential{Type: 0xf0aa, Unknown: whole}
		octets, err := syntax.Marshal(&in)
		if err != nil {
			t.Fatal(err)
		}
		var out wire.Credential
		if err := syntax.Unmarshal(octets, &out); err != nil || !bytes.Equal(out.Unknown, whole) {
			t.Fatalf("%+v, %v", out, err)
		}
	})
}

func FuzzPseudonymousCredential(f *testing.F) {
	f.Add([]byte{1, 'a', 1, 'b', 1, 1, 1, 2})
	syntaxtest.RoundTrip[mimi.PseudonymousCredential](f, []byte{0, 0, 0, 0})
}
