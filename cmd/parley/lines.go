package main

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// keyLines finds the line of each key of a TOML file, by the name that problems have: "federation.listen", "peer[1].dial". A file that
// does not parse has the lines up to there.
func keyLines(text []byte) map[string]int {
	lines := make(map[string]int)
	counts := make(map[string]int) // of array tables
	var p unstable.Parser
	p.Reset(text)
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		name, line := keyOf(&p, e)
		switch e.Kind {
		case unstable.Table:
			table = name
		case unstable.ArrayTable:
			table = fmt.Sprintf("%s[%d]", name, counts[name])
			counts[name]++
			name = table
		case unstable.KeyValue:
			if table != "" {
				name = table + "." + name
			}
		default:
			continue
		}
		if _, known := lines[name]; !known {
			lines[name] = line
		}
	}
	return lines
}

func keyOf(p *unstable.Parser, e *unstable.Node) (name string, line int) {
	var parts []string
	for it := e.Key(); it.Next(); {
		n := it.Node()
		if line == 0 {
			line = p.Shape(n.Raw).Start.Line
		}
		parts = append(parts, string(n.Data))
	}
	return strings.Join(parts, "."), line
}

// lineOf is the line of a key, or of the table that lacks it; 0 when neither is there.
func lineOf(lines map[string]int, key string) int {
	for key != "" {
		if line, ok := lines[key]; ok {
			return line
		}
		i := strings.LastIndexAny(key, ".[") // "peer[0].dial", "peer[0]", "peer"
		if i < 0 {
			return 0
		}
		key = key[:i]
	}
	return 0
}
