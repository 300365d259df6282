package tree

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"parley/mls/suite"
	"parley/syntax"
)

// A tree that is written to a stream is the one that travels, and reads back in any pieces.
func TestStream(t *testing.T) {
	s, err := suite.Lookup(suite.X25519AES128)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2, 3, 5, 64, 100} {
		tree := warmTree(t, n)
		if n > 3 {
			if tree, err = tree.Remove(LeafIndex(n - 2)); err != nil {
				t.Fatal(err)
			}
		}
		w := tree.Wire()
		want, err := syntax.Marshal(&w)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		count, err := tree.WriteTo(&out)
		if err != nil || count != int64(len(want)) || !bytes.Equal(out.Bytes(), want) {
			t.Fatalf("%d members: %d octets, %v", n, count, err)
		}
		for name, r := range map[string]io.Reader{
			"whole":   bytes.NewReader(want),
			"octets":  iotest.OneByteReader(bytes.NewReader(want)),
			"halves":  iotest.HalfReader(bytes.NewReader(want)),
			"at once": iotest.DataErrReader(bytes.NewReader(want)),
		} {
			again, err := ReadFrom(s, r, Limits{})
			if err != nil || !bytes.Equal(again.Hash(), tree.Hash()) {
				t.Errorf("%d members, %s: %v", n, name, err)
			}
		}
		for cut := 0; cut < len(want); cut += 1 + len(want)/50 {
			if _, err := ReadFrom(s, bytes.NewReader(want[:cut]), Limits{}); !errors.Is(err, syntax.ErrTruncated) && !errors.Is(err, ErrShape) {
				t.Errorf("%d members, cut to %d: %v", n, cut, err)
			}
		}
		broken := errors.New("broken")
		if _, err := ReadFrom(s, iotest.ErrReader(broken), Limits{}); !errors.Is(err, broken) {
			t.Errorf("an error of the reader: %v", err)
		}
		if _, err := tree.WriteTo(failing{broken}); !errors.Is(err, broken) {
			t.Errorf("an error of the writer: %v", err)
		}
	}
	large := warmTree(t, 100)
	var out bytes.Buffer
	if _, err := large.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFrom(s, &out, Limits{MaxLeaves: 64}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("beyond the limit: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// FuzzStream holds ReadFrom against Parse.
func FuzzStream(f *testing.F) {
	for _, n := range []int{1, 3, 6} {
		var out bytes.Buffer
		if _, err := warmTree(f, n).WriteTo(&out); err != nil {
			f.Fatal(err)
		}
		f.Add(out.Bytes())
	}
	s, err := suite.Lookup(suite.X25519AES128)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		streamed, err := ReadFrom(s, iotest.HalfReader(bytes.NewReader(data)), Limits{MaxLeaves: 32})
		parsed, want := Parse(s, data, Limits{MaxLeaves: 32})
		if want == nil && (err != nil || !bytes.Equal(streamed.Hash(), parsed.Hash())) {
			t.Fatalf("Parse takes it, ReadFrom says %v", err)
		}
		if err == nil && want != nil && !errors.Is(want, syntax.ErrTrailing) && !errors.Is(want, syntax.ErrLimit) {
			t.Fatalf("ReadFrom takes it, Parse says %v", want)
		}
	})
}
