package speccheck

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Row is one requirement of the index.
type Row struct {
	ID          string // such as P-KM-11
	Level       string // see the head of doc/spec/index.tsv
	Actor       string
	Section     string
	Requirement string
	Slice       string // order of building; "-" is not scheduled
	Note        string // empty, or "not yet: why"
}

// Group is the id without its number.
func (r Row) Group() string { return r.ID[:strings.LastIndexByte(r.ID, '-')] }

// Deferred tells whether the row's note says that it is not built yet.
func (r Row) Deferred() bool { return strings.HasPrefix(r.Note, deferral) }

const (
	header   = "id\tlevel\tactor\tsection\trequirement\tslice\tnote"
	deferral = "not yet: "
	// longest bounds the requirement texts, in characters: the index is a
	// finding aid and the drafts are the authority.
	longest = 120
)

var wholeID = regexp.MustCompile(`^[PCRX]-[A-Z]+-[0-9]+$`)

// ReadIndex parses the index. Lines that start with # are comments. The first
// malformed line is an error that names its number.
func ReadIndex(r io.Reader) ([]Row, error) {
	var rows []Row
	seen := map[string]bool{}
	headed := false
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !headed {
			if line != header {
				return nil, fmt.Errorf("line %d: the first line must name the columns: %q", number, header)
			}
			headed = true
			continue
		}
		row, err := parseRow(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if seen[row.ID] {
			return nil, fmt.Errorf("line %d: %s is listed twice", number, row.ID)
		}
		seen[row.ID] = true
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no rows")
	}
	return rows, nil
}

func parseRow(line string) (Row, error) {
	cells := strings.Split(line, "\t")
	if len(cells) != 7 {
		return Row{}, fmt.Errorf("%d columns, want 7", len(cells))
	}
	row := Row{cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6]}
	switch {
	case !wholeID.MatchString(row.ID):
		return Row{}, fmt.Errorf("%q is no id", row.ID)
	case row.Requirement == "" || len([]rune(row.Requirement)) > longest:
		return Row{}, fmt.Errorf("%s: the requirement must have 1 to %d characters", row.ID, longest)
	case row.Note != "" && (!row.Deferred() || len(row.Note) < len(deferral)+10):
		return Row{}, fmt.Errorf("%s: a note says %q and why", row.ID, deferral)
	}
	return row, nil
}
