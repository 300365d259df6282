package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Row is one line of what the networks carry.
type Row struct {
	Network   string `json:"network"`
	Feature   string `json:"feature"`
	Direction string `json:"direction"` // out: from MIMI to the network; in: the other way
	Level     string `json:"level"`
	How       string `json:"how"`
}

// Explain lists every feature in both directions of all networks. What a network does not declare is rejected.
func Explain(networks []Capabilities) (rows []Row) {
	sorted := slices.SortedFunc(slices.Values(networks), func(a, b Capabilities) int { return cmp.Compare(a.Network, b.Network) })
	for _, c := range sorted {
		for _, f := range Features() {
			pair, declared := c.Cells[f]
			if !declared {
				pair = Pair{Cell{Rejected, "not declared"}, Cell{Rejected, "not declared"}}
			}
			rows = append(rows, Row{c.Network, string(f), "out", pair.Out.Level.String(), pair.Out.How},
				Row{c.Network, string(f), "in", pair.In.Level.String(), pair.In.How})
		}
	}
	return rows
}

// Table is the same in Markdown, for the manual.
func Table(networks []Capabilities) string {
	var b strings.Builder
	last := ""
	for _, c := range networks {
		if c.Network == last {
			continue
		}
		last = c.Network
		fmt.Fprintf(&b, "### %s: %s\n\n| feature | from MIMI | how | to MIMI | how |\n| --- | --- | --- | --- | --- |\n", c.Network, c.System)
		rows := Explain([]Capabilities{c})
		for n := 0; n+1 < len(rows); n += 2 {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", rows[n].Feature, rows[n].Level, rows[n].How, rows[n+1].Level, rows[n+1].How)
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
