package vector_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/vectors"
	"parley/mls/suite"
	"parley/mls/vector"
	"parley/mls/wire"
)

// The working group's own files hold, for every suite that is offered.
func TestOfficialVectors(t *testing.T) {
	for _, kind := range vector.Kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join(vectors.Dir(t, "mls"), kind+".json"))
			if err != nil {
				t.Fatal(err)
			}
			r, err := vector.Verify(kind, text, vector.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Failed) > 0 || r.Passed == 0 || r.Passed+r.Skipped != r.Cases {
				t.Errorf("%+v", r)
			}
			t.Logf("%d passed, %d of suites that are not offered", r.Passed, r.Skipped)
		})
	}
}

// options offer two cheap suites and a hybrid; the others differ in nothing but the table's row.
func options(t *testing.T, only wire.CipherSuite) vector.Options {
	t.Helper()
	table, err := (*suite.Table)(nil).With(suite.Point{Hybrid: suite.MLKEM768X25519})
	if err != nil {
		t.Fatal(err)
	}
	return vector.Options{Suites: table, Only: only}
}

// What is made holds, and nothing of it may change.
func TestGeneratedVectors(t *testing.T) {
	hybrid, err := options(t, 0).Suites.Hybrid(suite.MLKEM768X25519)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range vector.Kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for _, id := range []wire.CipherSuite{suite.X25519AES128, suite.P256AES128, hybrid.ID()} {
				if id == suite.P256AES128 && strings.HasPrefix(kind, "tree") {
					continue // nothing but the suite differs
				}
				text, err := vector.Generate(kind, options(t, id))
				if err != nil {
					t.Fatal(err)
				}
				r, err := vector.Verify(kind, text, options(t, 0))
				if err != nil || len(r.Failed) > 0 || r.Passed == 0 || r.Passed != r.Cases {
					t.Fatalf("suite %d: %+v, %v", id, r, err)
				}
				if id == suite.X25519AES128 {
					spoil(t, kind, text)
				}
			}
		})
	}
}

// spoil changes each member of the first case in turn.
func spoil(t *testing.T, kind string, text []byte) {
	t.Helper()
	var cases []map[string]any
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	last := cases[len(cases)-1]
	for name, value := range last {
		if name == "cipher_suite" || unbound(kind, name) {
			continue
		}
		changed := change(value)
		if changed == nil {
			continue
		}
		last[name] = changed
		file, err := json.Marshal([]any{last})
		if err != nil {
			t.Fatal(err)
		}
		r, err := vector.Verify(kind, file, vector.Options{})
		if err == nil && len(r.Failed) == 0 {
			t.Errorf("%s: %s was changed and holds", kind, name)
		}
		last[name] = value
	}
}

// unbound are members whose content nothing in the case depends on.
func unbound(kind, name string) bool {
	switch kind + "/" + name {
	case "messages/group_secrets", "messages/re_init_proposal", "messages/external_init_proposal", "messages/remove_proposal",
		"messages/group_context_extensions_proposal", "messages/pre_shared_key_proposal", "treekem/epoch",
		"tree-operations/proposal_sender": // the last case is a Remove
		return true
	}
	return kind == "messages" || strings.HasPrefix(kind, "passive") && name == "external_psks"
}

// change flips something in a value of the last case; nil when there is nothing to flip.
func change(value any) any {
	switch v := value.(type) {
	case string:
		if len(v) < 2 {
			return nil
		}
		end := byte('0')
		if v[len(v)-1] == '0' {
			end = '1'
		}
		return v[:len(v)-1] + string(end)
	case float64:
		return v + 1
	case []any:
		for i := len(v) - 1; i >= 0; i-- {
			if c := change(v[i]); c != nil {
				out := append([]any(nil), v...)
				out[i] = c
				return out
			}
		}
	case map[string]any:
		for _, name := range []string{"out", "secret", "key", "signature", "ciphertext", "path_secret", "commit", "path_secrets", "commit_secret", "psk", "handshake_key", "epoch_authenticator"} {
			if c := change(v[name]); c != nil {
				out := map[string]any{}
				for k, x := range v {
					out[k] = x
				}
				out[name] = c
				return out
			}
		}
	}
	return nil
}

func TestBadFiles(t *testing.T) {
	if _, err := vector.Verify("nonsense", nil, vector.Options{}); !errors.Is(err, vector.ErrKind) {
		t.Error(err)
	}
	if _, err := vector.Generate("nonsense", vector.Options{}); !errors.Is(err, vector.ErrKind) {
		t.Error(err)
	}
	if _, err := vector.Generate("treekem", vector.Options{Only: 4}); !errors.Is(err, suite.ErrUnknown) {
		t.Error(err)
	}
	for _, kind := range vector.Kinds() {
		for _, text := range []string{"", "{}", "[1]", `["x"]`} {
			r, err := vector.Verify(kind, []byte(text), vector.Options{})
			if err == nil && (r.Passed > 0 || len(r.Failed) == 0 && r.Skipped == 0) {
				t.Errorf("%s: %q holds", kind, text)
			}
		}
		for _, text := range []string{`[{"cipher_suite":1}]`, `[{"cipher_suite":2,"epochs":[{}],"leaves":[[{}]],"tree":"00","n_leaves":3}]`} {
			if r, err := vector.Verify(kind, []byte(text), vector.Options{}); err == nil && r.Passed > 0 {
				t.Errorf("%s: %q holds", kind, text)
			}
		}
	}
}
