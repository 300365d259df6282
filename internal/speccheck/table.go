package speccheck

import (
	"fmt"
	"io"
	"strings"
)

// Table writes the counts per group, then ids that deserve attention, then the sum.
func Table(w io.Writer, t Tally) error {
	const columns = 4
	var b strings.Builder
	for i, g := range t.Groups {
		fmt.Fprintf(&b, "%-8s %3d/%-4d", g.Group, g.Proven, g.Total)
		if i%columns == columns-1 || i == len(t.Groups)-1 {
			b.WriteByte('\n')
		} else {
			b.WriteString("   ")
		}
	}
	for _, list := range []struct {
		title string
		ids   []string
	}{{"failing", t.Failing}, {"only skipped", t.Skipped}, {"unknown", t.Unknown}} {
		if len(list.ids) > 0 {
			fmt.Fprintf(&b, "%s: %s\n", list.title, strings.Join(list.ids, ", "))
		}
	}
	fmt.Fprintf(&b, "proven %d of %d rows (%d %%)\n", len(t.Proven), t.Total, 100*len(t.Proven)/max(1, t.Total))
	_, err := io.WriteString(w, b.String())
	return err
}
