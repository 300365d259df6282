// Package vectors finds the test vectors that this repository reads but does not carry.
//
// The official MLS vectors and the published MIMI content examples belong to others and are read where they lie:
// in $PARLEY_VECTORS, or in ../shared/vectors beside the checkout. It is imported by tests only.
package vectors

import (
	"os"
	"path/filepath"
	"testing"
)

// Dir returns the folder that holds the vectors called name ("mls", "mimi-content").
//
// Where the folder is absent the test is skipped with a plain message; with CI=true that is a failure instead,
// because a green run without the vectors would prove less than it says.
func Dir(t testing.TB, name string) string {
	t.Helper()
	roots := []string{os.Getenv("PARLEY_VECTORS")}
	if top, ok := moduleRoot(); ok {
		roots = append(roots, filepath.Join(top, "..", "shared", "vectors"))
	}
	for _, root := range roots {
		if root == "" {
			continue
		}
		dir := filepath.Join(root, name)
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("vectors %q not found: set PARLEY_VECTORS or put them in ../shared/vectors", name)
	}
	t.Skipf("SKIPPED: vectors %q are not on this machine (set PARLEY_VECTORS)", name)
	return ""
}

// MIMI returns the folder of this project's own wire vectors, which the repository carries.
func MIMI(t testing.TB) string {
	t.Helper()
	top, ok := moduleRoot()
	if !ok {
		t.Fatal("no go.mod above the test's folder")
	}
	return filepath.Join(top, "testdata", "mimi")
}

func moduleRoot() (string, bool) {
	dir, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}
