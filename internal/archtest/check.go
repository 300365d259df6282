package archtest

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// MaxLines is the longest a file may be. Beyond it, a file holds two ideas.
const MaxLines = 800

// MaxMethods is how many methods an interface may declare.
const MaxMethods = 8

// File is one Go source file to be judged.
type File struct {
	Package string // path of its package relative to the module
	Name    string // file name, for messages
	Test    bool   // a _test.go file
	Source  string
}

// Violation is one broken rule at one place.
type Violation struct {
	Where  string // package/file:line
	Broken string // what is wrong, and why it matters
}

func (v Violation) String() string { return v.Where + ": " + v.Broken }

// Rules is everything that a tree is judged by.
type Rules struct {
	Module     string // module path, the prefix of internal imports
	Ladder     []Rung
	Edges      []Edge
	Panics     map[string]string   // see [PanicsAllowed]
	Wide       map[string]string   // see [WideAllowed]
	ThirdParty map[string][]string // modules that pure packages may import
}

// Parley are the rules of this project.
func Parley() Rules {
	return Rules{Module: "parley", Ladder: Ladder(), Edges: Edges(), Panics: PanicsAllowed(), Wide: WideAllowed(), ThirdParty: ThirdParty()}
}

// Check judges all files and returns what is broken in order of place.
// A file that does not parse is a violation.
func (r Rules) Check(files []File) []Violation {
	var out []Violation
	for _, f := range files {
		out = append(out, r.checkFile(f)...)
	}
	slices.SortStableFunc(out, func(a, b Violation) int { return strings.Compare(a.Where, b.Where) })
	return out
}

// source is a parsed file together with what the checks ask of it.
type source struct {
	File
	rules   Rules
	rung    Rung
	fset    *token.FileSet
	syntax  *ast.File
	imports map[string]string // local name -> import path
	found   []Violation
}

func (s *source) report(pos token.Pos, format string, args ...any) {
	where := fmt.Sprintf("%s/%s", s.Package, s.Name)
	if pos.IsValid() {
		where += fmt.Sprintf(":%d", s.fset.Position(pos).Line)
	}
	s.found = append(s.found, Violation{Where: where, Broken: fmt.Sprintf(format, args...)})
}

func (r Rules) checkFile(f File) []Violation {
	s := &source{File: f, rules: r, fset: token.NewFileSet(), imports: map[string]string{}}
	tree, err := parser.ParseFile(s.fset, f.Name, f.Source, parser.ParseComments)
	if err != nil {
		s.report(token.NoPos, "does not parse: %v", err)
		return s.found
	}
	if ignored(tree) {
		return nil
	}
	s.syntax = tree
	rung, known := find(r.Ladder, f.Package)
	if !known {
		s.report(token.NoPos, "package %q is not on the ladder; decide its rank and add it to internal/archtest/ladder.go and ARCHITECTURE.md", f.Package)
		return s.found
	}
	s.rung = rung
	s.checkNames()
	s.checkImports()
	s.checkEverywhere()
	if !f.Test {
		s.checkPurity()
		s.checkPanics()
		s.checkInterfaces()
	}
	return s.found
}

// checkInterfaces bounds the methods that an interface declares itself. A wide
// interface is implemented by copying, and nobody fakes it in a test.
func (s *source) checkInterfaces() {
	ast.Inspect(s.syntax, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		i, ok := spec.Type.(*ast.InterfaceType)
		if !ok {
			return true
		}
		methods := 0
		for _, f := range i.Methods.List {
			methods += len(f.Names)
		}
		if methods > MaxMethods && s.rules.Wide[s.Package+":"+spec.Name.Name] == "" {
			s.report(spec.Pos(), "interface %s has %d methods; at most %d, split it by consumer", spec.Name.Name, methods, MaxMethods)
		}
		return true
	})
}

// ignored tells whether a file carries the "ignore" build tag: a generator,
// which is a program of its own and not part of the package beside it.
func ignored(f *ast.File) bool {
	for _, group := range f.Comments {
		if group.Pos() >= f.Package {
			return false
		}
		for _, c := range group.List {
			expr, err := constraint.Parse(c.Text)
			if err == nil && !expr.Eval(func(tag string) bool { return tag != "ignore" }) &&
				expr.Eval(func(string) bool { return true }) {
				return true
			}
		}
	}
	return false
}

func (s *source) checkNames() {
	if lines := strings.Count(s.Source, "\n"); lines > MaxLines {
		s.report(token.NoPos, "%d lines; at most %d, split it by idea", lines, MaxLines)
	}
	if nameless(s.Name) || slices.ContainsFunc(strings.Split(s.Package, "/"), nameless) {
		s.report(token.NoPos, "named after nothing; name it by its idea")
	}
}

// checkImports judges the edges of the import graph. Tests may climb: the
// memory store and the hostile peer are the fakes of every rank.
func (s *source) checkImports() {
	for _, spec := range s.syntax.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			s.report(spec.Pos(), "import path %s", spec.Path.Value)
			continue
		}
		s.imports[localName(spec, path)] = path
		if target, ok := strings.CutPrefix(path, s.rules.Module+"/"); ok {
			s.checkEdge(spec.Pos(), target)
		} else {
			s.checkOutside(spec.Pos(), path)
		}
	}
}

func localName(spec *ast.ImportSpec, path string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	return path[strings.LastIndexByte(path, '/')+1:]
}

func (s *source) checkEdge(pos token.Pos, target string) {
	to, known := find(s.rules.Ladder, target)
	if !known {
		s.report(pos, "imports %s, which is not on the ladder", target)
		return
	}
	if s.Test || s.rung.Rank == TestOnly {
		if to.Rank == R5 {
			s.report(pos, "imports %s: the command line is driven as a binary, not linked", target)
		}
		return
	}
	switch {
	case target == s.Package:
	case to.Rank == TestOnly:
		s.report(pos, "imports %s: test-only packages stay out of the product", target)
	case (s.rung.Rank == Tool) != (to.Rank == Tool):
		s.report(pos, "imports %s: build tooling and product do not import each other", target)
	case to.Rank == s.rung.Rank && !matchAny(s.rung.Same, target):
		s.report(pos, "imports %s: both are %s; packages of one rank meet only in composers and in the store's tables", target, to.Rank)
	case to.Rank > s.rung.Rank:
		s.report(pos, "imports %s: %s must not know %s; let the upper one pass a value or a function down", target, s.rung.Rank, to.Rank)
	}
	for _, e := range s.rules.Edges {
		if match(e.From, s.Package) && match(e.To, target) {
			s.report(pos, "imports %s: %s", target, e.Reason)
		}
	}
}
