package archtest

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// effects maps packages of the standard library to the reason why the pure
// ranks must not import them. Packages below an entry are covered, too.
func effects() map[string]string {
	return map[string]string{
		"net":          "no sockets below R3",
		"os":           "no files, environment or processes below R3",
		"syscall":      "no system calls below R3",
		"database/sql": "no storage below R3; declare a Tx interface",
		"log":          "pure code returns errors and events; it does not log",
		"math/rand":    "randomness comes from crypto packages only, so that tests can seed it",
		"sync":         "pure code has no shared state; the caller owns locks and parallelism",
		"unsafe":       "no unsafe memory",
	}
}

// harmless are packages under an entry of effects that only compute.
func harmless() []string { return []string{"net/url", "net/netip"} }

// scripts are the entries of effects that hold for R2 as well.
func scripts() []string {
	return []string{"net", "os", "syscall", "database/sql", "math/rand", "unsafe"}
}

func (s *source) checkOutside(pos token.Pos, path string) {
	if s.Test {
		return
	}
	if s.rung.Rank.pure() && strings.Contains(strings.SplitN(path, "/", 2)[0], ".") {
		if !slices.Contains(s.rules.ThirdParty[s.Package], path) {
			s.report(pos, "imports %s: the pure ranks use the standard library; an exception is listed in ThirdParty", path)
		}
		return
	}
	if slices.Contains(harmless(), path) {
		return
	}
	for effect, reason := range effects() {
		if path != effect && !strings.HasPrefix(path, effect+"/") {
			continue
		}
		if s.rung.Rank.pure() || (s.rung.Rank == R2 && slices.Contains(scripts(), effect)) {
			s.report(pos, "imports %s: %s", path, reason)
		}
	}
}

// clocks are the functions that read or wait for real time.
func clocks() map[string][]string {
	return map[string][]string{
		"time":    {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
		"context": {"WithTimeout", "WithDeadline", "WithTimeoutCause", "WithDeadlineCause"},
	}
}

// selected returns the import path and name when n is a use of an imported
// package's member. A local variable of the same name as the package hides it.
func (s *source) selected(n ast.Node) (path, name string) {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok || id.Obj != nil { // parser-level resolution is all that is needed here
		return "", ""
	}
	return s.imports[id.Name], sel.Sel.Name
}

// checkEverywhere holds for all ranks, tools and tests.
func (s *source) checkEverywhere() {
	ast.Inspect(s.syntax, func(n ast.Node) bool {
		if path, name := s.selected(n); path == "time" && name == "Sleep" {
			s.report(n.Pos(), "time.Sleep: wait for the event itself, or use a synctest bubble")
		}
		if id, ok := n.(*ast.Ident); ok && id.Name == "InsecureSkipVerify" {
			s.report(n.Pos(), "InsecureSkipVerify: peers are authenticated, in tests as well; make a CA")
		}
		return true
	})
}

func (s *source) checkPurity() {
	if s.rung.Rank > R2 {
		return
	}
	ast.Inspect(s.syntax, func(n ast.Node) bool {
		if g, ok := n.(*ast.GoStmt); ok {
			s.report(g.Pos(), "go statement: only composers start goroutines; the simulator must see one task at a time")
		}
		path, name := s.selected(n)
		if slices.Contains(clocks()[path], name) && name != "Sleep" {
			s.report(n.Pos(), "%s.%s: time is a value passed in; a clock of one's own forks rooms and breaks replay", path, name)
		}
		return true
	})
	if s.rung.Rank.pure() {
		s.checkGlobals()
	}
}

// checkGlobals allows package-level variables only where they cannot change
// behaviour: blank assertions, error sentinels, and tables whose comment says
// that they are constant. Assigning to any of them is refused.
func (s *source) checkGlobals() {
	for _, d := range s.syntax.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.VAR {
			continue
		}
		for _, sp := range decl.Specs {
			spec := sp.(*ast.ValueSpec)
			for i, name := range spec.Names {
				if name.Name == "_" || s.sentinel(spec, i) || declaredConstant(decl.Doc, spec.Doc, spec.Comment) {
					continue
				}
				s.report(name.Pos(), "package variable %s: pure packages have no state; if it is a table, say in its comment that it is constant", name.Name)
			}
		}
	}
	ast.Inspect(s.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, lhs := range n.Lhs {
					s.checkStore(lhs)
				}
			}
		case *ast.IncDecStmt:
			s.checkStore(n.X)
		case *ast.CallExpr:
			id, ok := n.Fun.(*ast.Ident)
			if ok && id.Obj == nil && len(n.Args) > 0 && slices.Contains([]string{"delete", "clear", "copy"}, id.Name) {
				s.checkStore(n.Args[0])
			}
		}
		return true
	})
}

// checkStore refuses a write whose root is a package-level variable.
func (s *source) checkStore(lhs ast.Expr) {
	root := lhs
	for {
		switch x := root.(type) {
		case *ast.IndexExpr:
			root = x.X
			continue
		case *ast.SelectorExpr:
			root = x.X
			continue
		case *ast.ParenExpr:
			root = x.X
			continue
		case *ast.SliceExpr:
			root = x.X
			continue
		}
		break
	}
	id, ok := root.(*ast.Ident)
	if !ok || id.Name == "_" {
		return
	}
	if id.Obj == nil { // unresolved in this file: declared in a sibling, so package level
		s.report(lhs.Pos(), "writes to package variable %s: pure packages have no state", id.Name)
		return
	}
	if spec, ok := id.Obj.Decl.(*ast.ValueSpec); ok && s.packageLevel(spec) {
		s.report(lhs.Pos(), "writes to package variable %s: pure packages have no state", id.Name)
	}
}

func (s *source) packageLevel(spec *ast.ValueSpec) bool {
	for _, d := range s.syntax.Decls {
		if decl, ok := d.(*ast.GenDecl); ok && slices.Contains(decl.Specs, ast.Spec(spec)) {
			return true
		}
	}
	return false
}

// sentinel tells whether the i-th name of spec is an error value by name.
func (s *source) sentinel(spec *ast.ValueSpec, i int) bool {
	name := spec.Names[i].Name
	if len(spec.Values) <= i {
		return false
	}
	return strings.HasPrefix(name, "Err") || strings.HasPrefix(name, "err")
}

func declaredConstant(docs ...*ast.CommentGroup) bool {
	for _, d := range docs {
		text := strings.ToLower(d.Text())
		if strings.Contains(text, "constant") || strings.Contains(text, "immutable") || strings.Contains(text, "never written") {
			return true
		}
	}
	return false
}

// checkPanics refuses panics below R4: a peer must not be able to stop the process.
func (s *source) checkPanics() {
	if s.rung.Rank >= R4 {
		return
	}
	for _, d := range s.syntax.Decls {
		where := s.Package + ":"
		if fn, ok := d.(*ast.FuncDecl); ok {
			where += funcName(fn)
		}
		ast.Inspect(d, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			id, ok := call.Fun.(*ast.Ident)
			if ok && id.Name == "panic" && id.Obj == nil && s.rules.Panics[where] == "" {
				s.report(call.Pos(), "panic in %s: return an error; an exception is listed with its reason in PanicsAllowed", strings.TrimPrefix(where, s.Package+":"))
			}
			return true
		})
	}
}

func funcName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
			continue
		case *ast.IndexExpr:
			t = x.X
			continue
		case *ast.IndexListExpr:
			t = x.X
			continue
		}
		break
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "." + fn.Name.Name
	}
	return fn.Name.Name
}
