// Package syntaxtest holds the checks that every wire type shares. It is imported by tests only.
package syntaxtest

import (
	"bytes"
	"testing"

	"parley/syntax"
)

// RoundTrip is the body of a fuzz target for the wire type T: whatever decodes re-encodes to the same octets, and nothing
// panics.
//
//	func FuzzFrank(f *testing.F) { syntaxtest.RoundTrip[mimi.Frank](f, golden...) }
func RoundTrip[T any, P interface {
	*T
	syntax.Value
}](f *testing.F, seeds ...[]byte) {
	f.Helper()
	f.Add([]byte{})
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) { Check[T, P](t, data) })
}

// Check decodes data as a T and, when that succeeds, requires that encoding gives data back.
func Check[T any, P interface {
	*T
	syntax.Value
}](t testing.TB, data []byte) {
	t.Helper()
	v := P(new(T))
	if err := syntax.Unmarshal(data, v); err != nil {
		return
	}
	again, err := syntax.Marshal(v)
	if err != nil {
		t.Fatalf("decoded %x and cannot encode it: %v", data, err)
	}
	if !bytes.Equal(data, again) {
		t.Fatalf("decoded %x and encoded %x", data, again)
	}
}
