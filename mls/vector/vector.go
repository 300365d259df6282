package vector

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// Result says how a file went.
type Result struct {
	Kind    string    `json:"type"`
	Cases   int       `json:"cases"`
	Passed  int       `json:"passed"`
	Skipped int       `json:"skipped"` // of suites that are not offered
	Failed  []Failure `json:"failed"`
}

// Failure is a case that does not hold.
type Failure struct {
	Case  int              `json:"case"`
	Suite wire.CipherSuite `json:"cipher_suite,omitempty"`
	Error string           `json:"error"`
}

// Options choose what is checked or made.
type Options struct {
	Suites *suite.Table
	// Only is the suite that is looked at; 0 means all of the table.
	Only wire.CipherSuite
}

func (o *Options) wants(id wire.CipherSuite) bool { return o.Only == 0 || o.Only == id }

// What can be wrong with a request as a whole.
var (
	ErrKind = errors.New("vector: there is no such type of vectors")
	ErrJSON = errors.New("vector: not an array of cases of this type")
)

// kind tells how one kind of file is checked and made.
type kind struct {
	name string
	// verify checks one case of a suite; s is nil for kinds without suites.
	verify func(s *suite.Suite, text json.RawMessage) error
	// make returns cases of a suite.
	make    func(s *suite.Suite) ([]any, error)
	bySuite bool
}

// kinds lists all kinds.
func kinds() []kind {
	return []kind{
		{"tree-math", one(verifyTreeMath), makeTreeMath, false},
		{"crypto-basics", one(verifyBasics), makeBasics, true},
		{"deserialization", one(verifyHeader), makeHeaders, false},
		{"key-schedule", one(verifySchedule), makeSchedule, true},
		{"secret-tree", one(verifySecretTree), makeSecretTree, true},
		{"message-protection", one(verifyProtection), makeProtection, true},
		{"messages", one(verifyMessages), makeMessages, false},
		{"psk_secret", one(verifyPSK), makePSK, true},
		{"transcript-hashes", one(verifyTranscript), makeTranscript, true},
		{"tree-operations", one(verifyOperation), makeOperations, true},
		{"tree-validation", one(verifyValidation), makeValidation, true},
		{"treekem", one(verifyTreeKEM), makeTreeKEM, true},
		{"welcome", one(verifyWelcome), makeWelcome, true},
		{"passive-client-welcome", one(verifyPassive), makePassiveWelcome, true},
		{"passive-client-handling-commit", one(verifyPassive), makePassiveCommit, true},
		{"passive-client-random", one(verifyPassive), makePassiveRandom, true},
	}
}

func one[T any](f func(*suite.Suite, *T) error) func(*suite.Suite, json.RawMessage) error {
	return func(s *suite.Suite, text json.RawMessage) error {
		v := new(T)
		if err := json.Unmarshal(text, v); err != nil {
			return ErrJSON
		}
		return f(s, v)
	}
}

// Kinds lists the names of all kinds.
func Kinds() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

func find(name string) (*kind, error) {
	for _, k := range kinds() {
		if k.name == name {
			return &k, nil
		}
	}
	return nil, ErrKind
}

// Verify checks a file. The error is ErrKind or ErrJSON; what does not hold is in the result.
func Verify(name string, file []byte, o Options) (*Result, error) {
	k, err := find(name)
	if err != nil {
		return nil, err
	}
	var cases []json.RawMessage
	if err := json.Unmarshal(file, &cases); err != nil {
		return nil, ErrJSON
	}
	r := &Result{Kind: name, Cases: len(cases), Failed: []Failure{}}
	for i, text := range cases {
		var head struct {
			Suite wire.CipherSuite `json:"cipher_suite"`
		}
		var s *suite.Suite
		if k.bySuite {
			if err := json.Unmarshal(text, &head); err != nil {
				return nil, ErrJSON
			}
			if s, err = o.Suites.Lookup(head.Suite); err != nil || !o.wants(head.Suite) {
				r.Skipped++
				continue
			}
		}
		if err := k.verify(s, text); err != nil {
			r.Failed = append(r.Failed, Failure{i, head.Suite, err.Error()})
			continue
		}
		r.Passed++
	}
	return r, nil
}

// Generate makes a file.
func Generate(name string, o Options) ([]byte, error) {
	k, err := find(name)
	if err != nil {
		return nil, err
	}
	var all []any
	for _, id := range o.Suites.All() {
		if !o.wants(id) {
			continue
		}
		s, err := o.Suites.Lookup(id)
		if err != nil {
			return nil, err
		}
		cases, err := k.make(s)
		if err != nil {
			return nil, fmt.Errorf("vector: %s of suite %d: %w", name, id, err)
		}
		all = append(all, cases...)
		if !k.bySuite {
			break
		}
	}
	if len(all) == 0 {
		return nil, suite.ErrUnknown
	}
	return json.MarshalIndent(all, "", "  ")
}

// octets is a hexadecimal JSON text.
type octets []byte

func (o octets) MarshalJSON() ([]byte, error) { return json.Marshal(hex.EncodeToString(o)) }

func (o *octets) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	b, err := hex.DecodeString(s)
	*o = b
	return err
}

// mismatch is a value that is not what the vector says.
type mismatch string

func (m mismatch) Error() string { return string(m) + " differs" }

func same(what string, got, want []byte) error {
	if !bytes.Equal(got, want) {
		return mismatch(what)
	}
	return nil
}

// checks returns the first error.
func checks(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func decode[T any, P interface {
	*T
	syntax.Value
}](data []byte) (*T, error) {
	v := P(new(T))
	err := syntax.Unmarshal(bytes.Clone(data), v)
	return (*T)(v), err
}

// random gives octets one after the other and remembers the first failure.
type random struct{ err error }

func (r *random) octets(n int) octets {
	b, err := suite.Random(n)
	if r.err == nil {
		r.err = err
	}
	return b
}

func (r *random) encode(v syntax.Value) octets {
	b, err := syntax.Marshal(v)
	if r.err == nil {
		r.err = err
	}
	return b
}
