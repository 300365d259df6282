package speccheck

import (
	"io"
	"regexp"
	"slices"
	"strings"
)

// ids finds requirement ids in a test's name. Neighbours that would make it
// part of a longer word are checked by hand, for RE2 cannot look around.
var ids = regexp.MustCompile(`[PCRX]-[A-Z]+-[0-9]+`)

func idsIn(name string) []string {
	var found []string
	for _, at := range ids.FindAllStringIndex(name, -1) {
		if at[0] > 0 {
			before := name[at[0]-1]
			if before == '-' || before >= 'A' && before <= 'Z' || before >= '0' && before <= '9' {
				continue
			}
		}
		found = append(found, name[at[0]:at[1]])
	}
	return found
}

// Tally is what one test run says about the index.
type Tally struct {
	Groups  []GroupTally `json:"groups"`
	Proven  []string     `json:"proven"`
	Missing []Row        `json:"missing"`
	Failing []string     `json:"failing"` // named by a test that failed
	Skipped []string     `json:"skipped"` // named only by tests that were skipped
	Unknown []string     `json:"unknown"` // named by a test, in no index
	Total   int          `json:"total"`
}

// GroupTally is the count of one group of rows.
type GroupTally struct {
	Group  string `json:"group"`
	Proven int    `json:"proven"`
	Total  int    `json:"total"`
}

// Count reads a `go test -json` stream and judges the rows by it.
func Count(rows []Row, stream io.Reader) (Tally, error) {
	passed, failed, skipped := map[string]bool{}, map[string]bool{}, map[string]bool{}
	err := events(stream, func(e event) {
		outcome := map[string]map[string]bool{"pass": passed, "fail": failed, "skip": skipped}[e.Action]
		if outcome == nil {
			return
		}
		for _, id := range idsIn(e.Test) {
			outcome[id] = true
		}
	}, nil)
	if err != nil {
		return Tally{}, err
	}
	return judge(rows, passed, failed, skipped), nil
}

func judge(rows []Row, passed, failed, skipped map[string]bool) Tally {
	t := Tally{Total: len(rows)}
	known := map[string]bool{}
	at := map[string]int{}
	for _, r := range rows {
		known[r.ID] = true
		g, ok := at[r.Group()]
		if !ok {
			g = len(t.Groups)
			at[r.Group()] = g
			t.Groups = append(t.Groups, GroupTally{Group: r.Group()})
		}
		t.Groups[g].Total++
		if passed[r.ID] && !failed[r.ID] {
			t.Groups[g].Proven++
			t.Proven = append(t.Proven, r.ID)
			continue
		}
		t.Missing = append(t.Missing, r)
		switch {
		case failed[r.ID]:
			t.Failing = append(t.Failing, r.ID)
		case skipped[r.ID]:
			t.Skipped = append(t.Skipped, r.ID)
		}
	}
	for _, named := range []map[string]bool{passed, failed, skipped} {
		for id := range named {
			if !known[id] && !slices.Contains(t.Unknown, id) {
				t.Unknown = append(t.Unknown, id)
			}
		}
	}
	slices.Sort(t.Unknown)
	return t
}

// MissingWith are the open rows whose id starts with prefix.
func (t Tally) MissingWith(prefix string) []Row {
	var out []Row
	for _, r := range t.Missing {
		if strings.HasPrefix(r.ID, prefix) {
			out = append(out, r)
		}
	}
	return out
}

// FirstSlice is the slice that the gate guards.
const FirstSlice = "1"

// MaxDeferred is how many rows of the first slice may say "not yet".
const MaxDeferred = 10

// Gate returns what keeps the first slice from being done, as one line each:
// rows neither proven nor deferred, deferrals that a test has overtaken, too
// many deferrals, and ids that no index has.
func Gate(rows []Row, t Tally) []string {
	var out []string
	deferred := 0
	for _, r := range rows {
		proven := slices.Contains(t.Proven, r.ID)
		switch {
		case r.Deferred() && proven:
			out = append(out, r.ID+" is proven, yet its note says "+r.Note)
		case r.Slice != FirstSlice || proven:
		case r.Deferred():
			deferred++
		case slices.Contains(t.Failing, r.ID):
			out = append(out, r.ID+" fails: "+r.Requirement)
		case slices.Contains(t.Skipped, r.ID):
			out = append(out, r.ID+" was only skipped: "+r.Requirement)
		default:
			out = append(out, r.ID+" is open: "+r.Requirement)
		}
	}
	if deferred > MaxDeferred {
		out = append(out, "more than "+itoa(MaxDeferred)+" rows of the first slice are deferred")
	}
	for _, id := range t.Unknown {
		out = append(out, id+" is named by a test and not in the index")
	}
	return out
}
