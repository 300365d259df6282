// Command speccheck reads the output of `go test -json` and shows it to people
// (-render), or shows which requirement rows it proves (the default).
//
//	go test -json ./... | tee bin/test.json | go run ./internal/speccheck/cmd/speccheck -render
//	go run ./internal/speccheck/cmd/speccheck -in bin/test.json [-missing P-KM] [-json] [-gate]
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"parley/internal/speccheck"
)

func main() {
	ok, err := run(os.Args[1:], os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "speccheck:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// run does the work; ok is false when a test failed or the gate is shut.
func run(args []string, stdin io.Reader, stdout io.Writer) (ok bool, err error) {
	flags := flag.NewFlagSet("speccheck", flag.ContinueOnError)
	in := flags.String("in", "-", "the stream of `go test -json`; - is standard input")
	index := flags.String("index", "doc/spec/index.tsv", "the index of requirement rows")
	render := flags.Bool("render", false, "print the test run, not the rows; exit 1 if a test failed")
	missing := flags.String("missing", "", "list the open rows whose id starts with this")
	asJSON := flags.Bool("json", false, "print everything as JSON")
	gate := flags.Bool("gate", false, "list what keeps the first slice open; exit 1 if anything does")
	if err := flags.Parse(args); err != nil {
		return false, err
	}
	stream := stdin
	if *in != "-" {
		f, err := os.Open(*in)
		if err != nil {
			return false, err
		}
		defer func() {
			if closing := f.Close(); err == nil {
				err = closing
			}
		}()
		stream = f
	}
	if *render {
		sum, err := speccheck.Render(stream, stdout)
		return sum.Failed == 0, err
	}
	rows, err := readIndex(*index)
	if err != nil {
		return false, err
	}
	tally, err := speccheck.Count(rows, stream)
	if err != nil {
		return false, err
	}
	switch {
	case *asJSON:
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		return true, out.Encode(tally)
	case *missing != "":
		return true, list(stdout, tally.MissingWith(*missing))
	case *gate:
		return shut(stdout, speccheck.Gate(rows, tally))
	}
	return true, speccheck.Table(stdout, tally)
}

func readIndex(path string) (rows []speccheck.Row, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closing := f.Close(); err == nil {
			err = closing
		}
	}()
	rows, err = speccheck.ReadIndex(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rows, nil
}

func list(w io.Writer, rows []speccheck.Row) error {
	for _, r := range rows {
		note := ""
		if r.Note != "" {
			note = " [" + r.Note + "]"
		}
		if _, err := fmt.Fprintf(w, "%-10s %-4s %-12s %s%s\n", r.ID, r.Level, r.Section, r.Requirement, note); err != nil {
			return err
		}
	}
	return nil
}

func shut(w io.Writer, faults []string) (bool, error) {
	for _, f := range faults {
		if _, err := fmt.Fprintln(w, f); err != nil {
			return false, err
		}
	}
	state := "the first slice stands"
	if len(faults) > 0 {
		state = fmt.Sprintf("the first slice is open: %d findings", len(faults))
	}
	_, err := fmt.Fprintln(w, state)
	return len(faults) == 0, err
}
