package speccheck

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDivergences keeps doc/divergences.md honest: every decision has one line
// with a known status, and what is said to be in code is named there.
func TestDivergences(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "doc", "divergences.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := decisionsInCode(t, root)
	perKind := map[string]int{}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		id := strings.TrimSpace(cells[0])
		if !strings.HasPrefix(id, "A-") {
			continue
		}
		if len(cells) != 4 {
			t.Errorf("%s has %d columns, want 4", id, len(cells))
			continue
		}
		if seen[id] {
			t.Errorf("%s has two lines", id)
		}
		seen[id] = true
		perKind[strings.TrimRight(id, "0123456789")]++
		switch status := strings.TrimSpace(cells[3]); status {
		case "planned":
		case "in code", "built":
			if !named[id] {
				t.Errorf("%s is %q, yet no Go file names it", id, status)
			}
		default:
			t.Errorf("%s has the status %q", id, status)
		}
	}
	for kind, want := range map[string]int{"A-": 85, "A-C": 29, "A-R": 28, "A-X": 24} {
		if perKind[kind] < want {
			t.Errorf("%d decisions %sn, want %d", perKind[kind], kind, want)
		}
	}
}

func decisionsInCode(t *testing.T, root string) map[string]bool {
	t.Helper()
	decision := regexp.MustCompile(`\bA-[CRX]?[0-9]+\b`)
	named := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, id := range decision.FindAllString(string(text), -1) {
			named[id] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return named
}
