package ohttp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The values of the complete example in RFC 9458 appendix A.
const (
	exampleSecret   = "3c168975674b2fa8e465970b79c8dcf09f1c741626480bd4c6162fc5b6a98e1a"
	exampleConfig   = "01002031e1f05a740102115220e9af918f738674aec95f54db6e04eb705aae8e79815500080001000100010003"
	exampleRequest  = "00034745540568747470730b6578616d706c652e636f6d012f"
	exampleSealed   = "010020000100014b28f881333e7c164ffc499ad9796f877f4e1051ee6d31bad19dec96c208b4726374e469135906992e1268c594d2a10c695d858c40a026e7965e7d86b83dd440b2c0185204b4d63525"
	exampleExported = "62d87a6ba569ee81014c2641f52bea36"
	exampleNonce    = "c789e7151fcba46158ca84b04464910d"
	exampleAnswer   = "c789e7151fcba46158ca84b04464910d86f9013e404feea014e7be4a441f234f857fbd"
)

func TestExample(t *testing.T) {
	t.Run("P-OH-05 the complete example of RFC 9458", func(t *testing.T) {
		key, err := LoadKey(1, unhex(t, exampleSecret))
		if err != nil {
			t.Fatal(err)
		}
		config := unhex(t, exampleConfig)
		if got := key.Configuration(); !bytes.Equal(got[:35], config[:35]) {
			t.Errorf("configuration %x", got)
		}
		list := append([]byte{0, byte(len(config))}, config...)
		if r, err := ParseKeys(list); err != nil || r.ID != 1 || !bytes.Equal(r.public.Bytes(), key.pair.PublicKey().Bytes()) {
			t.Errorf("the example's configuration: %v", err)
		}
		request, answer, err := Decapsulate(unhex(t, exampleSealed), key)
		if err != nil || !bytes.Equal(request, unhex(t, exampleRequest)) {
			t.Fatalf("%x, %v", request, err)
		}
		if !bytes.Equal(answer.secret, unhex(t, exampleExported)) {
			t.Errorf("exported %x", answer.secret)
		}
		sealed, err := answer.seal([keySize]byte(unhex(t, exampleNonce)), []byte{1, 0x40, 0xc8})
		if err != nil || !bytes.Equal(sealed, unhex(t, exampleAnswer)) {
			t.Errorf("%x, %v", sealed, err)
		}
		inner, err := DecodeRequest(request)
		if err != nil || inner.Method != "GET" || inner.Scheme != "https" || inner.Authority != "example.com" || inner.Path != "/" {
			t.Errorf("%+v, %v", inner, err)
		}
	})
}

func TestRoundTrip(t *testing.T) {
	old, err := NewKey(7)
	if err != nil {
		t.Fatal(err)
	}
	key, err := NewKey(8)
	if err != nil {
		t.Fatal(err)
	}
	recipient, err := ParseKeys(Keys(key, old))
	if err != nil || recipient.ID != 8 {
		t.Fatal(recipient, err)
	}
	message, ours, err := recipient.Encapsulate([]byte("question"))
	if err != nil {
		t.Fatal(err)
	}
	request, theirs, err := Decapsulate(message, old, key)
	if err != nil || string(request) != "question" {
		t.Fatalf("%q, %v", request, err)
	}
	sealed, err := theirs.Seal([]byte("answer"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ours.Open(sealed); err != nil || string(got) != "answer" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := theirs.Open(sealed[:20]); !errors.Is(err, ErrOpen) {
		t.Error(err)
	}
	t.Run("P-OH-06 an unknown key and bad ciphertext are told apart", func(t *testing.T) {
		if _, _, err := Decapsulate(message, old); !errors.Is(err, ErrUnknownKey) {
			t.Error(err)
		}
		for n := range message {
			bad := bytes.Clone(message)
			bad[n] ^= 1
			if _, _, err := Decapsulate(bad, key); err == nil {
				t.Errorf("octet %d is not protected", n)
			}
			if _, _, err := Decapsulate(message[:n], key); err == nil {
				t.Errorf("cut at %d", n)
			}
		}
		for n := range sealed {
			bad := bytes.Clone(sealed)
			bad[n] ^= 1
			if _, err := ours.Open(bad); !errors.Is(err, ErrOpen) {
				t.Errorf("answer's octet %d: %v", n, err)
			}
		}
	})
	secret, err := key.Secret()
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadKey(8, secret)
	if err != nil || !bytes.Equal(again.Configuration(), key.Configuration()) {
		t.Error(err)
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "cut": Keys(key)[:20], "length alone": {0, 9}, "another KEM": {0, 5, 1, 0, 0x10, 1, 2},
		"no suite": append(append([]byte{0, 37}, key.Configuration()[:35]...), 0, 0),
	} {
		if _, err := ParseKeys(b); !errors.Is(err, ErrKeys) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r, err := ParseKeys(append([]byte{0, 5, 1, 0, 0x10, 1, 2}, Keys(key)...)); err != nil || r.ID != 8 {
		t.Errorf("behind another KEM: %v", err)
	}
	if _, err := LoadKey(1, []byte("short")); !errors.Is(err, ErrKeys) {
		t.Error(err)
	}
}
