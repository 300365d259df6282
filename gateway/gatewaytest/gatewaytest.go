// Package gatewaytest holds connectors to what they declare: each cell of their capabilities that is not dropped has to be proven by a
// test that ran against a real server, and passed.
package gatewaytest

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"

	"parley/gateway"
)

// Directions of a cell.
const (
	Out = "out" // from MIMI to the network
	In  = "in"
)

type cell struct {
	feature   gateway.Feature
	direction string
}

var (
	mu     sync.Mutex
	proven = map[cell]bool{}
	absent bool
)

// Proves says that the test shows a cell to be as it is declared; it counts if the test passes.
func Proves(t *testing.T, f gateway.Feature, direction string) {
	t.Helper()
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		if !t.Failed() && !t.Skipped() {
			proven[cell{f, direction}] = true
		}
	})
}

// Absent says that the real server is not there: then nothing is asked for.
func Absent() {
	mu.Lock()
	defer mu.Unlock()
	absent = true
}

// Main runs the tests of a package and then holds what they have proven against what the connector declares. A part of the tests
// (-run, -fuzz) proves a part and is not held to it.
func Main(m *testing.M, declared gateway.Capabilities) int {
	code := m.Run()
	part := func(name string) bool { f := flag.Lookup(name); return f != nil && f.Value.String() != "" }
	if code != 0 || absent || part("test.run") || part("test.fuzz") || part("test.list") {
		return code
	}
	for _, f := range gateway.Features() {
		pair := declared.Cells[f]
		for direction, c := range map[string]gateway.Cell{Out: pair.Out, In: pair.In} {
			if c.Level != gateway.Dropped && !proven[cell{f, direction}] {
				if _, err := fmt.Fprintf(os.Stderr, "%s: %s, %s, is declared as %s, and no test has proven it\n", declared.Network, f, direction, c.Level); err != nil {
					return 1
				}
				code = 1
			}
		}
	}
	return code
}
