package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const index = "id\tlevel\tactor\tsection\trequirement\tslice\tnote\nP-KM-01\tI\tTGT\tPROTO 5.2\tFirst.\t1\t\n"

func TestRun(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rows := file("index.tsv", index)
	good := `{"Action":"pass","Package":"p","Test":"T/P-KM-01"}` + "\n" + `{"Action":"pass","Package":"p"}` + "\n"
	bad := strings.ReplaceAll(good, "pass", "fail")
	cases := []struct {
		name   string
		args   []string
		stream string
		ok     bool
		fails  bool
		output string
	}{
		{"table", nil, good, true, false, "proven 1 of 1 rows (100 %)\n"},
		{"table of a bad run", nil, bad, true, false, "failing: P-KM-01\n"},
		{"missing", []string{"-missing", "P-KM"}, bad, true, false, "First."},
		{"json", []string{"-json"}, good, true, false, `"proven": [`},
		{"gate open", []string{"-gate"}, good, true, false, "the first slice stands\n"},
		{"gate shut", []string{"-gate"}, bad, false, false, "the first slice is open: 1 findings\n"},
		{"render good", []string{"-render"}, good, true, false, "1 passed, 0 failed, 0 skipped\n"},
		{"render bad", []string{"-render"}, bad, false, false, "0 passed, 1 failed, 0 skipped\n"},
		{"stream from a file", []string{"-in", file("stream", good)}, "", true, false, "proven 1 of 1"},
		{"no such stream", []string{"-in", filepath.Join(dir, "none")}, "", false, true, ""},
		{"no such index", []string{"-index", filepath.Join(dir, "none")}, good, false, true, ""},
		{"broken index", []string{"-index", file("broken.tsv", "x\n")}, good, false, true, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			ok, err := run(append([]string{"-index", rows}, c.args...), strings.NewReader(c.stream), &out)
			if ok != c.ok || (err != nil) != c.fails {
				t.Errorf("ok %v, error %v", ok, err)
			}
			if !strings.Contains(out.String(), c.output) {
				t.Errorf("no %q in %q", c.output, out.String())
			}
		})
	}
}
