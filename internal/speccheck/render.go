package speccheck

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Summary counts tests and subtests by how they ended. A package that failed
// without a failing test (it did not build, or its process died) counts as one
// failure, so that a broken tree is never zero failures.
type Summary struct{ Passed, Failed, Skipped int }

func (s Summary) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", s.Passed, s.Failed, s.Skipped)
}

// Render turns a `go test -json` stream into lines for people: one per package,
// with the output of failed tests only, a list of what was skipped and why, and
// the summary as the last line. It writes as the stream arrives.
func Render(stream io.Reader, w io.Writer) (Summary, error) {
	r := renderer{w: w, output: map[string]*strings.Builder{}, failed: map[string]int{}, builds: map[string]*strings.Builder{}}
	err := events(stream, r.event, func(line string) { r.print("%s", line) })
	if err != nil {
		return r.sum, err
	}
	if r.failure != nil {
		return r.sum, r.failure
	}
	r.skips()
	r.print("%s\n", r.sum)
	return r.sum, r.failure
}

type renderer struct {
	w       io.Writer
	failure error // the first error of w
	output  map[string]*strings.Builder
	builds  map[string]*strings.Builder
	failed  map[string]int // failed tests per package
	skipped []string
	sum     Summary
}

func (r *renderer) print(format string, args ...any) {
	if r.failure == nil {
		_, r.failure = fmt.Fprintf(r.w, format, args...)
	}
}

func (r *renderer) event(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		text(r.builds, e.ImportPath).WriteString(e.Output)
	case "output":
		text(r.output, key).WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.pack(e)
		} else {
			r.test(e, key)
		}
		delete(r.output, key)
	}
}

func text(m map[string]*strings.Builder, key string) *strings.Builder {
	if m[key] == nil {
		m[key] = &strings.Builder{}
	}
	return m[key]
}

func (r *renderer) test(e event, key string) {
	switch e.Action {
	case "pass":
		r.sum.Passed++
	case "skip":
		r.sum.Skipped++
		r.skipped = append(r.skipped, e.Package+" "+e.Test+reason(text(r.output, key).String()))
	case "fail":
		r.sum.Failed++
		r.failed[e.Package]++
		r.print("--- FAIL %s %s (%.2fs)\n%s", e.Package, e.Test, e.Elapsed, indent(text(r.output, key).String()))
	}
}

// pack prints the line of a package that ended.
func (r *renderer) pack(e event) {
	switch {
	case e.Action == "skip":
		// a package without tests: nothing ran, nothing to say
	case e.Action == "pass":
		r.print("ok   %s %.2fs\n", e.Package, e.Elapsed)
	default:
		if r.failed[e.Package] == 0 {
			r.sum.Failed++
			if build := r.builds[e.FailedBuild]; build != nil {
				r.print("%s", indent(build.String()))
			}
		}
		r.print("%sFAIL %s %.2fs\n", indent(text(r.output, e.Package+" ").String()), e.Package, e.Elapsed)
	}
}

// reason is the message of a skip: the last line that says anything.
func reason(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimSpace(lines[i])
		if line != "" && !noise(line) {
			return ": " + line
		}
	}
	return ""
}

// noise are the lines with which the test binary frames output.
func noise(line string) bool {
	for _, p := range []string{"=== ", "--- ", "PASS", "FAIL", "ok  \t", "exit status"} {
		if strings.HasPrefix(line, p) {
			return true
		}
	}
	return false
}

func indent(output string) string {
	var b strings.Builder
	for line := range strings.Lines(output) {
		if noise(strings.TrimSpace(line)) {
			continue
		}
		b.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}

func (r *renderer) skips() {
	const most = 20
	for i, s := range r.skipped {
		if i == most {
			r.print("skipped: and %d more\n", len(r.skipped)-most)
			return
		}
		r.print("skipped: %s\n", s)
	}
}
