package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listed is the part of `go list -json` that is needed here.
type listed struct {
	ImportPath, Dir                                    string
	Module                                             struct{ Path, Dir string }
	GoFiles, IgnoredGoFiles, TestGoFiles, XTestGoFiles []string
	CgoFiles                                           []string
}

// TestTree judges the project itself.
func TestTree(t *testing.T) {
	packages := list(t)
	if len(packages) < 3 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	rules := Parley()
	var files []File
	known := map[string]bool{}
	for _, p := range packages {
		known[p.Dir] = true
		if p.Module.Path != rules.Module {
			t.Fatalf("module is %q, the rules are for %q", p.Module.Path, rules.Module)
		}
		if len(p.CgoFiles) > 0 {
			t.Errorf("%s uses cgo: the product is one static binary", p.ImportPath)
		}
		relative := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, rules.Module), "/")
		for _, names := range [][]string{p.GoFiles, p.IgnoredGoFiles, p.TestGoFiles, p.XTestGoFiles} {
			for _, name := range names {
				text, err := os.ReadFile(filepath.Join(p.Dir, name))
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, File{Package: relative, Name: name, Test: strings.HasSuffix(name, "_test.go"), Source: string(text)})
			}
		}
	}
	for _, v := range rules.Check(files) {
		t.Error(v)
	}
	for _, dir := range sourceDirs(t, packages[0].Module.Dir) {
		if !known[dir] {
			t.Errorf("%s holds Go files that go list does not know", dir)
		}
	}
}

// sourceDirs walks the module itself. That finds packages that go list left
// out, and it tells the test cache which directories this test depends on: a
// new package must not meet a cached pass.
func sourceDirs(t *testing.T, root string) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && outside(path, d.Name()):
			return filepath.SkipDir
		case !d.IsDir() && strings.HasSuffix(d.Name(), ".go") && !slices.Contains(dirs, filepath.Dir(path)):
			dirs = append(dirs, filepath.Dir(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// outside tells whether the go command, too, would pass a directory by.
func outside(path, name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return true
	}
	switch name {
	case "testdata", "bin", "dist", "node_modules":
		return true
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,Module,GoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles,CgoFiles", "./...")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []listed
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// TestLadderIsSound keeps the table free of entries that cannot mean anything.
func TestLadderIsSound(t *testing.T) {
	ladder := Ladder()
	seen := map[string]bool{}
	for _, r := range ladder {
		if seen[r.Path] {
			t.Errorf("%s is on the ladder twice", r.Path)
		}
		seen[r.Path] = true
	}
	for _, r := range ladder {
		for _, same := range r.Same {
			to, ok := find(ladder, strings.TrimSuffix(same, "/..."))
			if !ok || to.Rank != r.Rank {
				t.Errorf("%s lists %s, which is not of the same rank", r.Path, same)
			}
		}
	}
	for _, e := range Edges() {
		if e.Reason == "" {
			t.Errorf("%s -> %s has no reason", e.From, e.To)
		}
	}
	for place, reason := range PanicsAllowed() {
		if reason == "" {
			t.Errorf("the panic in %s has no reason", place)
		}
	}
}
