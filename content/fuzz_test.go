package content_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"parley/content"
)

// seeds are the octets of all cases of a file of vectors.
func seeds(f *testing.F, file string) {
	f.Helper()
	for _, v := range load(f, file) {
		if octets, err := hex.DecodeString(v.Hex); err == nil && len(octets) < 4096 {
			f.Add(octets)
		}
	}
}

// oracle is another implementation of deterministic CBOR: what we accept it encodes to the same octets.
func oracle(t *testing.T, data []byte) {
	t.Helper()
	if hasTag(data) {
		return
	}
	options := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, UTF8: cbor.UTF8RejectInvalid,
		MaxNestedLevels: 16, MaxArrayElements: 1 << 17, MaxMapPairs: 1 << 17, BignumTag: cbor.BignumTagAllowed, TimeTag: cbor.DecTagIgnored}
	decoding, err := options.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	encoding, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	var item any
	if err := decoding.Unmarshal(data, &item); err != nil {
		t.Fatalf("%x: %v", data, err)
	}
	if again, err := encoding.Marshal(item); err != nil || !bytes.Equal(again, data) {
		t.Fatalf("%x re-encoded to %x", data, again)
	}
}

// hasTag reports whether there may be a tag among the octets: tagged items it turns into Go values of its own.
func hasTag(data []byte) bool {
	for _, c := range data {
		if c>>5 == 6 {
			return true
		}
	}
	return false
}

func FuzzMessage(f *testing.F) {
	seeds(f, "content.json")
	alice, hub := user(f, "mimi://a.example/u/alice"), room(f, "mimi://a.example/r/x")
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := content.Decode(data)
		if err != nil {
			if _, typed := err.(content.Error); !typed {
				t.Fatalf("error of type %T", err)
			}
			return
		}
		again, err := m.Encode()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x re-encoded to %x, %v", data, again, err)
		}
		oracle(t, data)
		checkView(t, m)
		if m.CheckSend(alice, hub) == nil && m.Validate() != nil {
			t.Fatal("fit for sending and not valid")
		}
		if _, err := m.ID(data, alice, hub); err == nil && m.CheckOrigin(alice, hub) != nil {
			t.Fatal("an ID for another origin")
		}
	})
}

// checkView requires that each leaf of a body is at most once in what is shown of it.
func checkView(t *testing.T, m content.Message) {
	t.Helper()
	v := content.Receiver{Languages: []string{"en"}, Preferred: []string{"image/png"}}.View(m.Body)
	seen := map[int]bool{}
	for _, s := range v.Parts {
		for _, index := range append([]int{s.Index}, s.Embeds...) {
			part, found := m.Body.At(index)
			if _, multi := part.Body.(content.Multi); seen[index] || !found || multi || part.Body == nil {
				t.Fatalf("part %d", index)
			}
			seen[index] = true
		}
		if s.Fetch(time.Unix(0, 0)) && (s.Action == content.ActionPrompt || s.Action == content.ActionOffer) {
			t.Fatalf("part %d is fetched", s.Index)
		}
	}
	if text := content.Text(m); m.Body.Body != nil && len(v.Parts) == 0 && text == "" {
		t.Fatal("nothing shown, not even that")
	} else if !utf8.ValidString(text) {
		t.Fatal("text is no UTF-8")
	}
}

func FuzzStatus(f *testing.F) {
	seeds(f, "status.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		report, err := content.DecodeStatus(data)
		if err != nil {
			return
		}
		if again := report.Encode(); !bytes.Equal(again, data) {
			t.Fatalf("%x re-encoded to %x", data, again)
		}
		oracle(t, data)
		if report.Known().Validate() != nil {
			t.Fatal("unknown algorithm kept")
		}
	})
}

func FuzzDerived(f *testing.F) {
	seeds(f, "status.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := content.DecodeDerived(data)
		if err != nil {
			return
		}
		if again, err := d.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x re-encoded to %x, %v", data, again, err)
		}
		d.Millis()
	})
}

func FuzzValue(f *testing.F) {
	for _, s := range []string{"00", "a120c249010000000000000000", "d8545000007ec0ffffc07f", "f97e00", "82f5f6", "6161"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := content.ParseValue(data)
		if err != nil {
			return
		}
		if !bytes.Equal(v.Encoded(), data) {
			t.Fatalf("%x became %x", data, v.Encoded())
		}
		oracle(t, data)
		v.Text()
		v.Uint()
	})
}

func FuzzUnframe(f *testing.F) {
	f.Add(content.Frame(content.MediaType, []byte{1}))
	f.Add(content.Frame(`a/b;c="d;e\"";f=g`, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		mediaType, inner, err := content.Unframe(data)
		if err != nil {
			return
		}
		if again := content.Frame(mediaType, inner); !bytes.Equal(again, data) {
			t.Fatalf("%x became %q and %x", data, mediaType, again)
		}
		content.MatchMedia(mediaType, mediaType)
	})
}

func FuzzStrings(f *testing.F) {
	for _, s := range []string{"../../etc/passwd", "a\u202egnp.exe", "\u2764\ufe0f", "cid:5@local.invalid", "text/plain;charset=utf-8", "<p>x<script>y</script>z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if name := content.SafeFilename(s); strings.ContainsAny(name, "/\\\x00\n\u202e") || strings.HasPrefix(name, ".") {
			t.Fatalf("%q became %q", s, name)
		}
		if text, ok := content.ReactionText(s); ok {
			if again, ok := content.ReactionText(text); !ok || again != text {
				t.Fatalf("%q became %q and %q", s, text, again)
			}
		}
		content.References(s)
		content.MatchMedia(s, s)
		for _, contentType := range []string{content.TypeHTML, content.TypeMarkdown, s} {
			content.Text(content.Message{Body: say(contentType, s)})
		}
	})
}
