package suite

import (
	"bytes"
	"testing"

	"parley/mls/wire"
)

// What is sealed with a context that was hashed once opens with crypto/hpke, in every suite, and only as it was sealed.
func TestSharedInfo(t *testing.T) {
	for _, id := range All() {
		s, err := Lookup(id)
		if err != nil {
			t.Fatal(err)
		}
		private, public, err := s.GenerateKeyPair()
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{10, sharedInfo, 3 * sharedInfo} {
			context := bytes.Repeat([]byte{byte(id)}, size)
			p, err := s.Purpose("Welcome", context)
			if err != nil {
				t.Fatal(err)
			}
			if shared := size >= sharedInfo; shared != (p.shared != nil) {
				t.Fatalf("%v, %d octets: shared %v", s, size, p.shared != nil)
			}
			var before wire.HPKECiphertext
			for range 2 {
				ct, err := p.Encrypt(public, []byte("secret"))
				if err != nil {
					t.Fatal(err)
				}
				got, err := s.DecryptWithLabel(private, "Welcome", context, ct)
				if err != nil || string(got) != "secret" {
					t.Errorf("%v, %d octets: %q, %v", s, size, got, err)
				}
				context[0] ^= 1
				if _, err := s.DecryptWithLabel(private, "Welcome", context, ct); err == nil {
					t.Errorf("%v, %d octets: another context opens it", s, size)
				}
				context[0] ^= 1
				if bytes.Equal(before.KEMOutput, ct.KEMOutput) {
					t.Errorf("%v: one key twice", s)
				}
				before = ct
			}
			if _, err := p.Encrypt(public[1:], nil); err == nil {
				t.Errorf("%v: a key that is none", s)
			}
		}
		if _, err := s.Purpose("x", make([]byte, sharedInfo)); err != nil {
			t.Error(err)
		}
	}
	low, err := Lookup(X25519AES128)
	if err != nil {
		t.Fatal(err)
	}
	p, err := low.Purpose("x", make([]byte, sharedInfo))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Encrypt(make([]byte, 32), nil); err == nil { // a point of small order
		t.Error("a shared secret of zeros")
	}
}
