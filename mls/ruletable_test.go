package mls_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestRuleTable holds doc/mls-rules.md against the code: its numbers run on, its tests exist, its outcomes are rules, and each rule that a
// test breaks stands in it.
func TestRuleTable(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "doc", "mls-rules.md"))
	if os.IsNotExist(err) && os.Getenv("CI") != "true" {
		t.Skip("the table is not part of this copy")
	}
	if err != nil {
		t.Fatal(err)
	}
	tests := literalsOfTests(t)
	rules := ruleNames(t)
	breaches := map[string]bool{}
	for _, b := range allBreaches() {
		breaches["TestRules/"+b.rule+"/"+b.name] = true
	}
	listed, number := map[string]bool{}, 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 5 || strings.Contains(cells[0], "no") || strings.Contains(cells[0], "---") {
			continue
		}
		number++
		if strings.TrimSpace(cells[0]) != strconv.Itoa(number) {
			t.Errorf("line %d has the number %s", number, cells[0])
		}
		test, outcome := strings.TrimSpace(cells[3]), strings.TrimSpace(cells[4])
		if _, ok := rules[outcome]; !ok && outcome != "accepted" {
			t.Errorf("%d: %s is no rule", number, outcome)
		}
		listed[outcome] = true
		if strings.HasPrefix(test, "TestRules/") {
			if !breaches[test] || !strings.HasPrefix(test, "TestRules/"+rules[outcome]+"/") {
				t.Errorf("%d: no breach %q with the outcome %s", number, test, outcome)
			}
			continue
		}
		name, part, _ := strings.Cut(test, "/")
		if found, ok := tests[name]; !ok || part != "" && !slices.Contains(found, part) {
			t.Errorf("%d: no test %q", number, test)
		}
	}
	if number < 150 {
		t.Errorf("%d lines", number)
	}
	// these are about the use of the engine, not about what others send
	ours := []string{"RuleEncoding", "RuleSuite", "RuleFormat", "RuleState", "RuleOwnLeaf", "RuleRandom", "RuleStored"}
	for name := range rules {
		if !listed[name] && !slices.Contains(ours, name) {
			t.Errorf("%s is not in the table", name)
		}
	}
}

// literalsOfTests returns the string literals in each test function of the module's MLS packages.
func literalsOfTests(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, pattern := range []string{"*_test.go", "internal/*/*_test.go", "wire/*_test.go", "suite/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") {
					continue
				}
				found[f.Name.Name] = []string{}
				ast.Inspect(f, func(n ast.Node) bool {
					if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
						if text, err := strconv.Unquote(lit.Value); err == nil {
							found[f.Name.Name] = append(found[f.Name.Name], text)
						}
					}
					return true
				})
			}
		}
	}
	return found
}
