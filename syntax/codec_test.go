package syntax_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"parley/syntax"
	"parley/syntax/syntaxtest"
)

// sample uses every shape that the notation has.
type sample struct {
	Code    uint8
	Wide    uint64
	Tag     [3]byte
	Name    string
	Blob    []byte
	Numbers []uint16
	Maybe   *uint32
	Inner   []inner
	Flag    bool
}

type inner struct{ A uint16 }

func (i *inner) Syntax(c *syntax.Codec) { syntax.U16(c, &i.A) }

func (s *sample) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &s.Code, 1, 3)
	syntax.U64(c, &s.Wide)
	syntax.Fixed(c, s.Tag[:])
	syntax.Text(c, &s.Name)
	syntax.Opaque(c, &s.Blob)
	syntax.U16s(c, &s.Numbers)
	syntax.Optional(c, &s.Maybe, syntax.U32[uint32])
	syntax.Structs(c, &s.Inner)
	syntax.Bool(c, &s.Flag)
}

func number(n uint32) *uint32 { return &n }

// The octets were written by hand from RFC 8446 §3 and RFC 9420 §2.1.
const sampleHex = "02" + "0000000000000102" + "010203" + "026869" + "03aabbcc" + "0400050006" + "0100000007" + "020008" + "01"

func TestSample(t *testing.T) {
	want, err := hex.DecodeString(sampleHex)
	if err != nil {
		t.Fatal(err)
	}
	in := sample{Code: 2, Wide: 0x102, Tag: [3]byte{1, 2, 3}, Name: "hi", Blob: []byte{0xaa, 0xbb, 0xcc},
		Numbers: []uint16{5, 6}, Maybe: number(7), Inner: []inner{{8}}, Flag: true}
	got, err := syntax.Marshal(&in)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("encoded %x, %v; want %x", got, err, want)
	}
	for n := range want {
		var s sample
		if err := syntax.Unmarshal(want[:n], &s); !errors.Is(err, syntax.ErrTruncated) {
			t.Errorf("cut to %d octets: %v, want ErrTruncated", n, err)
		}
	}
	var s sample
	if err := syntax.Unmarshal(append(want, 0), &s); !errors.Is(err, syntax.ErrTrailing) {
		t.Errorf("with an octet more: %v, want ErrTrailing", err)
	}
	syntaxtest.Check[sample](t, want)
}

type blob struct{ B []byte }

func (b *blob) Syntax(c *syntax.Codec) { syntax.Opaque(c, &b.B) }

func TestLengths(t *testing.T) {
	cases := []struct {
		name, head string
		size       int
		want       error
	}{
		{"one octet", "3f", 63, nil},
		{"two octets", "4040", 64, nil},
		{"two octets, largest", "7fff", 16383, nil},
		{"four octets", "80004000", 16384, nil},
		{"two where one would do", "403f", 63, syntax.ErrLength},
		{"four where two would do", "80003fff", 16383, syntax.ErrLength},
		{"the unused form", "c000000000000001", 1, syntax.ErrLength},
		{"a gibibyte claimed", "bfffffff", 10, syntax.ErrTruncated},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			head, err := hex.DecodeString(tc.head)
			if err != nil {
				t.Fatal(err)
			}
			data := append(head, make([]byte, tc.size)...)
			var b blob
			if err := syntax.Unmarshal(data, &b); !errors.Is(err, tc.want) {
				t.Fatalf("%v, want %v", err, tc.want)
			}
			if tc.want == nil {
				syntaxtest.Check[blob](t, data)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	cases := []struct {
		name, in string
		want     error
		value    syntax.Value
	}{
		{"closed code too small", "00", syntax.ErrValue, &closed{}},
		{"closed code too large", "04", syntax.ErrValue, &closed{}},
		{"truth value 2", "02", syntax.ErrValue, &truth{}},
		{"presence octet 2", "0200", syntax.ErrPresence, &maybe{}},
		{"text that is not UTF-8", "01ff", syntax.ErrUTF8, &text{}},
		{"vector that ends inside an element", "03000100", syntax.ErrTruncated, &numbers{}},
		{"octets after the value in its frame", "020101", syntax.ErrTrailing, &framed{}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			data, err := hex.DecodeString(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if err := syntax.Unmarshal(data, tc.value); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
	if _, err := syntax.Marshal(&text{"\xff"}); !errors.Is(err, syntax.ErrUTF8) {
		t.Errorf("encoding text that is not UTF-8: %v", err)
	}
	if _, err := syntax.Marshal(&closed{9}); !errors.Is(err, syntax.ErrValue) {
		t.Errorf("encoding a code outside its set: %v", err)
	}
}

type closed struct{ V uint8 }
type truth struct{ V bool }
type maybe struct{ V *uint8 }
type text struct{ V string }
type numbers struct{ V []uint16 }
type framed struct{ V uint8 }
type nothing struct{ V []struct{} }

func (v *closed) Syntax(c *syntax.Codec)  { syntax.Closed(c, &v.V, 1, 3) }
func (v *truth) Syntax(c *syntax.Codec)   { syntax.Bool(c, &v.V) }
func (v *maybe) Syntax(c *syntax.Codec)   { syntax.Optional(c, &v.V, syntax.U8[uint8]) }
func (v *text) Syntax(c *syntax.Codec)    { syntax.Text(c, &v.V) }
func (v *numbers) Syntax(c *syntax.Codec) { syntax.U16s(c, &v.V) }
func (v *framed) Syntax(c *syntax.Codec) {
	syntax.Sized(c, func(c *syntax.Codec) { syntax.U8(c, &v.V) })
}
func (v *nothing) Syntax(c *syntax.Codec) {
	syntax.Vector(c, &v.V, func(*syntax.Codec, *struct{}) {})
}

func TestLimits(t *testing.T) {
	data, err := syntax.Marshal(&numbers{make([]uint16, 100)})
	if err != nil {
		t.Fatal(err)
	}
	var n numbers
	if err := (syntax.Limits{Elements: 99}).Unmarshal(data, &n); !errors.Is(err, syntax.ErrLimit) {
		t.Errorf("100 elements under a limit of 99: %v", err)
	}
	if err := (syntax.Limits{Elements: 100}).Unmarshal(data, &n); err != nil {
		t.Errorf("100 elements under a limit of 100: %v", err)
	}
	if err := syntax.Unmarshal([]byte{1, 0}, &nothing{}); !errors.Is(err, syntax.ErrValue) {
		t.Errorf("an element of no octets: %v", err)
	}
}

// A claimed length allocates nothing: the refusal of a bomb costs the same few objects whatever it claims.
func TestBombAllocates(t *testing.T) {
	bomb := append([]byte{0xbf, 0xff, 0xff, 0xff}, make([]byte, 64)...)
	got := testing.AllocsPerRun(100, func() {
		var n numbers
		if syntax.Unmarshal(bomb, &n) == nil {
			t.Fatal("accepted")
		}
	})
	if got > 6 {
		t.Errorf("%v allocations for a refused bomb", got)
	}
}

func FuzzSample(f *testing.F) {
	seed, err := hex.DecodeString(sampleHex)
	if err != nil {
		f.Fatal(err)
	}
	syntaxtest.RoundTrip[sample](f, seed)
}

func BenchmarkSample(b *testing.B) {
	data, err := hex.DecodeString(sampleHex)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var s sample
		if err := syntax.Unmarshal(data, &s); err != nil {
			b.Fatal(err)
		}
		if _, err := syntax.Marshal(&s); err != nil {
			b.Fatal(err)
		}
	}
}

type pair struct{ A, B []byte }

func (v *pair) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.A)
	syntax.Opaque(c, &v.B)
}

type pairs struct{ list []pair }

func (v *pairs) Syntax(c *syntax.Codec) { syntax.Structs(c, &v.list) }

func TestMemoryLimit(t *testing.T) {
	encoded, err := syntax.Marshal(&pairs{make([]pair, 100)})
	if err != nil {
		t.Fatal(err)
	}
	// 100 pairs take 48 octets each, and growing loses as much again and a little more.
	if err := (syntax.Limits{Memory: 3 * 100 * 48}).Unmarshal(encoded, new(pairs)); err != nil {
		t.Errorf("enough: %v", err)
	}
	if err := (syntax.Limits{Memory: 100*48 - 1}).Unmarshal(encoded, new(pairs)); !errors.Is(err, syntax.ErrLimit) {
		t.Errorf("too little: %v", err)
	}
}
