// Package wirecase runs the cases of testdata/mimi against wire types. It is imported by tests only.
//
// A case whose structure has neither a handler nor an owner elsewhere fails with the structure's name, so that no case is passed
// over in silence.
package wirecase

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"

	"parley/internal/vectors"
	"parley/syntax"
)

// Case is one case of a file; the README beside the files explains the members.
type Case struct {
	Name      string
	Structure string
	Decisions []string
	Comment   string
	Fields    json.RawMessage // positive
	Hex       string          // positive and negative
	Invalid   string          // negative: "decode" or "validate"
	Reason    string
	Inputs    json.RawMessage // worked
	Outputs   json.RawMessage
}

// Object is the members of a structure in a case.
type Object = map[string]any

// Structure tells how to run the cases of one wire type.
type Structure struct {
	New      func() syntax.Value
	Fields   func(syntax.Value) any           // the value as the case writes it
	Validate func(string, syntax.Value) error // the checks beyond decoding, given the case's name; may be nil
}

// Of makes a Structure for the wire type T.
func Of[T any, P interface {
	*T
	syntax.Value
}](fields func(*T) any, validate func(name string, v *T) error) Structure {
	s := Structure{
		New:    func() syntax.Value { return P(new(T)) },
		Fields: func(v syntax.Value) any { return fields((*T)(v.(P))) },
	}
	if validate != nil {
		s.Validate = func(name string, v syntax.Value) error { return validate(name, (*T)(v.(P))) }
	}
	return s
}

// Suite says who handles the structures of a file.
type Suite struct {
	Structures map[string]Structure
	Worked     map[string]func(*testing.T, Case)
	Elsewhere  map[string]string // structure: the package whose tests run its cases
}

// Load reads a file of testdata/mimi, named without its ending.
func Load(t testing.TB, file string) []Case {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(vectors.MIMI(t), file+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []Case
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// Run runs every case of a file.
func (s Suite) Run(t *testing.T, file string) {
	for _, c := range Load(t, file) {
		t.Run(file+"/"+c.Structure+"/"+c.Name, func(t *testing.T) { s.run(t, c) })
	}
}

// RunOf runs the cases of some structures of a file and requires that each has a positive one.
func (s Suite) RunOf(t *testing.T, file string, structures ...string) {
	t.Helper()
	for _, name := range structures {
		positive := false
		for _, c := range Load(t, file) {
			if c.Structure == name {
				positive = positive || c.Fields != nil || c.Inputs != nil
				t.Run(c.Name, func(t *testing.T) { s.run(t, c) })
			}
		}
		if !positive {
			t.Errorf("no case of %s", name)
		}
	}
}

func (s Suite) run(t *testing.T, c Case) {
	if _, ok := s.Elsewhere[c.Structure]; ok {
		return
	}
	if c.Inputs != nil {
		worked, ok := s.Worked[c.Structure]
		if !ok {
			t.Fatalf("no handler for the worked case %s", c.Structure)
		}
		worked(t, c)
		return
	}
	structure, ok := s.Structures[c.Structure]
	if !ok {
		t.Fatalf("no handler for the structure %s", c.Structure)
	}
	if c.Invalid != "" {
		structure.negative(t, c)
		return
	}
	structure.positive(t, c)
}

func (s Structure) positive(t *testing.T, c Case) {
	data := Bytes(t, c.Hex)
	v := s.New()
	if err := syntax.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
	SameJSON(t, s.Fields(v), c.Fields)
	again, err := syntax.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, data) {
		t.Fatalf("encoded %x, want %x", again, data)
	}
	if s.Validate != nil {
		if err := s.Validate(c.Name, v); err != nil {
			t.Fatalf("valid value refused: %v", err)
		}
	}
}

func (s Structure) negative(t *testing.T, c Case) {
	v := s.New()
	err := syntax.Unmarshal(Bytes(t, c.Hex), v)
	if err != nil {
		return
	}
	if c.Invalid == "decode" {
		t.Fatalf("decoded, but: %s", c.Reason)
	}
	if s.Validate == nil || s.Validate(c.Name, v) == nil {
		t.Fatalf("passed validation, but: %s", c.Reason)
	}
}

// SameJSON compares a value with what a case says, both as JSON.
func SameJSON(t *testing.T, got any, want json.RawMessage) {
	t.Helper()
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := json.Unmarshal(data, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("decoded\n%s\nwant\n%s", data, want)
	}
}

// Bytes reads hexadecimal.
func Bytes(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Into reads a member of a worked case into v.
func Into(t testing.TB, data json.RawMessage, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// Decode reads a wire value from hexadecimal.
func Decode(t testing.TB, s string, v syntax.Value) {
	t.Helper()
	if err := syntax.Unmarshal(Bytes(t, s), v); err != nil {
		t.Fatal(err)
	}
}

// Encode is the hexadecimal of a wire value.
func Encode(v syntax.Value) string {
	data, err := syntax.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return hex.EncodeToString(data)
}

// Hex is how a case writes an octet string.
func Hex(b []byte) string { return hex.EncodeToString(b) }

// U64 is how a case writes a 64-bit number.
func U64(v uint64) string { return strconv.FormatUint(v, 10) }

// List applies f to each element; it is never null in JSON.
func List[T any](in []T, f func(*T) any) []any {
	out := make([]any, len(in))
	for i := range in {
		out[i] = f(&in[i])
	}
	return out
}

// Same is List for elements that are written as they are.
func Same[T any](in []T) []T { return append(make([]T, 0, len(in)), in...) }

// Numbers is Same for octets, which JSON would write as base64.
func Numbers[T ~uint8](in []T) []any { return List(in, func(v *T) any { return int(*v) }) }

// Optional is null or the value.
func Optional[T any](v *T, f func(*T) any) any {
	if v == nil {
		return nil
	}
	return f(v)
}
