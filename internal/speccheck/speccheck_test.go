package speccheck

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const small = header + `
# a comment
P-KM-01	I	TGT	PROTO 5.2	First.	1	
P-KM-02	M	REQ	PROTO 5.2	Second.	1	not yet: there is no requester
P-KM-03	M	REQ	PROTO 5.2	Third.	1	
R-ROL-01	W	ANY	POL 3	Roles.	-	
`

func index(t *testing.T, text string) []Row {
	t.Helper()
	rows, err := ReadIndex(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func count(t *testing.T, rows []Row, lines ...string) Tally {
	t.Helper()
	tally, err := Count(rows, strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return tally
}

// line makes an event of a test.
func line(action, test string) string {
	return `{"Action":"` + action + `","Package":"p","Test":"` + test + `","Elapsed":0.01}`
}

func TestRowsAreProvenByWhatRanAndPassed(t *testing.T) {
	rows := index(t, small)
	cases := []struct {
		name   string
		events []string
		proven []string
	}{
		{"nothing ran", nil, nil},
		{"passed", []string{line("pass", "TestX/P-KM-01_claims")}, []string{"P-KM-01"}},
		{"started only", []string{line("run", "TestX/P-KM-01_claims")}, nil},
		{"skipped", []string{line("skip", "TestX/P-KM-01_claims")}, nil},
		{"failed elsewhere", []string{line("pass", "TestX/P-KM-01_a"), line("fail", "TestY/P-KM-01_b")}, nil},
		{"failed first", []string{line("fail", "TestY/P-KM-01_b"), line("pass", "TestX/P-KM-01_a")}, nil},
		{"skipped elsewhere", []string{line("pass", "TestX/P-KM-01_a"), line("skip", "TestY/P-KM-01_b")}, []string{"P-KM-01"}},
		{"two in one name", []string{line("pass", "TestX/P-KM-01_and_P-KM-03")}, []string{"P-KM-01", "P-KM-03"}},
		{"a longer number", []string{line("pass", "TestX/P-KM-011")}, nil},
		{"part of a word", []string{line("pass", "TestX/XP-KM-01")}, nil},
		{"output does not count", []string{`{"Action":"output","Test":"T","Output":"P-KM-01 pass"}`}, nil},
		{"other lines", []string{"go: downloading", "{broken", line("pass", "T/P-KM-01")}, []string{"P-KM-01"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := count(t, rows, c.events...).Proven; !slices.Equal(got, c.proven) {
				t.Errorf("proven %v, want %v", got, c.proven)
			}
		})
	}
}

func TestTallySortsTheRest(t *testing.T) {
	tally := count(t, index(t, small),
		line("fail", "T/P-KM-01"), line("skip", "T/P-KM-03"), line("pass", "T/P-KM-99"), line("pass", "T/R-ROL-01"))
	if !slices.Equal(tally.Failing, []string{"P-KM-01"}) || !slices.Equal(tally.Skipped, []string{"P-KM-03"}) ||
		!slices.Equal(tally.Unknown, []string{"P-KM-99"}) {
		t.Errorf("%+v", tally)
	}
	if want := []GroupTally{{"P-KM", 0, 3}, {"R-ROL", 1, 1}}; !slices.Equal(tally.Groups, want) {
		t.Errorf("groups %v, want %v", tally.Groups, want)
	}
	if got := tally.MissingWith("P-KM-0"); len(got) != 3 {
		t.Errorf("missing %v", got)
	}
	var table strings.Builder
	if err := Table(&table, tally); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"P-KM       0/3", "failing: P-KM-01\n", "only skipped: P-KM-03\n", "unknown: P-KM-99\n", "proven 1 of 4 rows (25 %)\n"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, table.String())
		}
	}
}

func TestGate(t *testing.T) {
	rows := index(t, small)
	passed := []string{line("pass", "T/P-KM-01"), line("pass", "T/P-KM-03")}
	cases := []struct {
		name   string
		events []string
		want   []string // pieces of the findings, in order
	}{
		{"proven or deferred", passed, nil},
		{"open", passed[:1], []string{"P-KM-03 is open"}},
		{"skipped", append(passed[:1:1], line("skip", "T/P-KM-03")), []string{"P-KM-03 was only skipped"}},
		{"failing", append(passed[:1:1], line("fail", "T/P-KM-03")), []string{"P-KM-03 fails"}},
		{"overtaken note", append(passed[:2:2], line("pass", "T/P-KM-02")), []string{"P-KM-02 is proven, yet"}},
		{"unknown id", append(passed[:2:2], line("pass", "T/P-KM-77")), []string{"P-KM-77 is named"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := Gate(rows, count(t, rows, c.events...))
			if len(got) != len(c.want) {
				t.Fatalf("findings %q, want %q", got, c.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], c.want[i]) {
					t.Errorf("finding %q, want %q", got[i], c.want[i])
				}
			}
		})
	}
	t.Run("too many deferrals", func(t *testing.T) {
		text := header + "\n"
		for i := range MaxDeferred + 1 {
			text += "P-TR-" + itoa(i+10) + "\tM\tALL\t4.1\tText.\t1\tnot yet: a good reason\n"
		}
		rows := index(t, text)
		if got := Gate(rows, count(t, rows)); len(got) != 1 || !strings.HasPrefix(got[0], "more than 10") {
			t.Errorf("findings %q", got)
		}
	})
}

func TestIndexRefuses(t *testing.T) {
	good := "P-KM-01\tI\tTGT\t5.2\tText.\t1\t\n"
	cases := map[string]string{
		"no rows":        header + "\n",
		"no header":      good,
		"a short line":   header + "\nP-KM-01\tI\n",
		"a bad id":       header + "\nKM-01\tI\tTGT\t5.2\tText.\t1\t\n",
		"a row twice":    header + "\n" + good + good,
		"a long text":    header + "\nP-KM-01\tI\tTGT\t5.2\t" + strings.Repeat("x", longest+1) + "\t1\t\n",
		"an odd note":    header + "\nP-KM-01\tI\tTGT\t5.2\tText.\t1\tlater\n",
		"a note, no why": header + "\nP-KM-01\tI\tTGT\t5.2\tText.\t1\tnot yet: \n",
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			if rows, err := ReadIndex(strings.NewReader(text)); err == nil {
				t.Errorf("accepted: %v", rows)
			}
		})
	}
}

// TestProjectIndex keeps the index of the project itself readable and whole.
func TestProjectIndex(t *testing.T) {
	f, err := os.Open(filepath.Join("..", "..", "doc", "spec", "index.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	rows, err := ReadIndex(f)
	if err != nil {
		t.Fatal(err)
	}
	perKind, slices := map[string]int{}, map[string]int{}
	for _, r := range rows {
		perKind[r.ID[:1]]++
		slices[r.Slice]++
	}
	if perKind["P"] != 318 || perKind["C"]+perKind["R"]+perKind["X"] != 344 {
		t.Errorf("rows per kind: %v", perKind)
	}
	if slices[FirstSlice] != 161 {
		t.Errorf("rows per slice: %v", slices)
	}
}
