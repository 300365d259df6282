package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/vectors"
	"parley/mls/vector"
)

// What generate makes, verify takes.
func TestVectorsMadeAndChecked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	r := parley(t, "mls", "vectors", "generate", "--suite", "1", dir).must(t)
	if strings.Count(r.out, "made") < len(vector.Kinds()) {
		t.Errorf("%q", r.out)
	}
	results := decode[[]vectorResult](t, parley(t, "mls", "vectors", "verify", "--json", dir).must(t).out)
	if len(results) != len(vector.Kinds()) {
		t.Errorf("%d files", len(results))
	}
	for _, v := range results {
		if v.Passed == 0 || v.Passed != v.Cases || len(v.Failed) != 0 {
			t.Errorf("%s: %+v", v.File, v.Result)
		}
	}
	// A changed file does not hold, and says which case.
	file := filepath.Join(dir, "psk_secret.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.LastIndex(string(text), `"psk_secret": "`) + len(`"psk_secret": "`)
	text[at] = map[bool]byte{true: '1', false: '0'}[text[at] == '0']
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	bad := parley(t, "mls", "vectors", "verify", file)
	bad.fails(t, exitFailed, "do not hold")
	if !strings.Contains(bad.out, "case 10, suite 1: psk_secret differs") {
		t.Errorf("%q", bad.out)
	}
	// Any name will do with --type.
	other := filepath.Join(t.TempDir(), "hybrid.json")
	parley(t, "mls", "vectors", "generate", "--type", "welcome", "--hybrid", "MLKEM768-X25519=0xf0f0", "--suite", "61680", other).must(t)
	parley(t, "mls", "vectors", "verify", "--type", "welcome", "--hybrid", "MLKEM768-X25519=0xf0f0", other).must(t)
	parley(t, "mls", "vectors", "verify", "--type", "welcome", other).fails(t, exitFailed, "nothing was checked")
}

func TestOfficialVectorsFromTheCommandLine(t *testing.T) {
	dir := vectors.Dir(t, "mls")
	r := parley(t, "mls", "vectors", "verify", "--suite", "1", "--type", "welcome,psk_secret,tree-math,message-protection", dir).must(t)
	if strings.Count(r.out, " 0 failed") != 4 {
		t.Errorf("%q", r.out)
	}
}

func TestVectorsCommandLines(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.json")
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"verify"}, {"verify", file}, {"verify", "--type", "nonsense", file}, {"verify", "--suite", "4", dir}, {"verify", "--hybrid", "x", dir},
		{"verify", "--hybrid", "MLKEM768-X25519=1", dir}, {"generate"}, {"generate", file}, {"generate", "--suite", "70000", dir},
	} {
		parley(t, append([]string{"mls", "vectors"}, args...)...).fails(t, exitUsage)
	}
	for want, args := range map[string][]string{
		"no file of test vectors": {"verify", dir}, "no such file": {"verify", filepath.Join(dir, "none")},
		"not an array": {"verify", "--type", "welcome", file},
	} {
		parley(t, append([]string{"mls", "vectors"}, args...)...).fails(t, exitFailed, want)
	}
}
