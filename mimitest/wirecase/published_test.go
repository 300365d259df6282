package wirecase_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/vectors"
	"parley/mimitest/wirecase"
)

// runners says whose tests run the cases of a file against the product. A structure that a package does not know fails there.
func runners() map[string]string {
	return map[string]string{
		"abuse": "mimi", "consent": "mimi", "franking": "mimi", "group-info": "mimi", "identifier-query": "mimi", "key-material": "mimi",
		"notify": "mimi", "room-state": "mimi", "submit": "mimi", "update": "mimi", "policy": "policy", "mls-extensions": "mls/wire",
		"mls-pieces": "mls/wire", "content": "content", "content-published": "content", "status": "content", "identifiers": "uri",
	}
}

// What others build on stays: the files are those of SHA256SUMS, and a change of one is a change of the list that a reviewer sees.
func TestPublishedFiles(t *testing.T) {
	dir := vectors.MIMI(t)
	list, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(list)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		sums[name] = sum
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != len(sums) || len(files) != len(runners()) {
		t.Errorf("%d files, %d sums, %d with a runner, %v", len(files), len(sums), len(runners()), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if name := filepath.Base(file); sums[name] != hex.EncodeToString(sum[:]) {
			t.Errorf("%s is not the one of SHA256SUMS", name)
		}
	}
}

// Every file is run by the package that owns its structures.
func TestEveryFileIsRun(t *testing.T) {
	root := filepath.Dir(filepath.Dir(vectors.MIMI(t)))
	for file, pkg := range runners() {
		sources, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, name := range sources {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(text), `"`+file+`"`) || strings.Contains(string(text), `"`+file+`.json"`)
		}
		if !found {
			t.Errorf("no test of %s reads %s.json", pkg, file)
		}
	}
}

// A case is positive, negative or worked, and can be named.
func TestShapeOfCases(t *testing.T) {
	for file := range runners() {
		names := map[string]bool{}
		for i, c := range wirecase.Load(t, file) {
			at := fmt.Sprintf("%s.json, case %d (%s)", file, i, c.Name)
			if names[c.Structure+"/"+c.Name] || c.Name == "" || c.Structure == "" {
				t.Errorf("%s has no name of its own", at)
			}
			names[c.Structure+"/"+c.Name] = true
			if _, err := hex.DecodeString(c.Hex); err != nil {
				t.Errorf("%s: %v", at, err)
			}
			kinds := 0
			for _, is := range []bool{c.Fields != nil, c.Invalid != "", c.Inputs != nil} {
				if is {
					kinds++
				}
			}
			if kinds != 1 || c.Invalid != "" && (c.Reason == "" || c.Invalid != "decode" && c.Invalid != "validate") || (c.Inputs == nil) != (c.Outputs == nil) {
				t.Errorf("%s is none of the three kinds", at)
			}
		}
	}
}
