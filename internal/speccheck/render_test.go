package speccheck

import (
	"errors"
	"strings"
	"testing"
)

const run = `{"Action":"start","Package":"parley/a"}
{"Action":"run","Package":"parley/a","Test":"TestGood"}
{"Action":"output","Package":"parley/a","Test":"TestGood","Output":"quiet\n"}
{"Action":"pass","Package":"parley/a","Test":"TestGood","Elapsed":0.01}
{"Action":"output","Package":"parley/a","Test":"TestSkip","Output":"    a_test.go:9: no vectors\n"}
{"Action":"output","Package":"parley/a","Test":"TestSkip","Output":"--- SKIP: TestSkip (0.00s)\n"}
{"Action":"skip","Package":"parley/a","Test":"TestSkip","Elapsed":0}
{"Action":"pass","Package":"parley/a","Elapsed":0.5}
{"Action":"output","Package":"parley/b","Test":"TestBad","Output":"=== RUN   TestBad\n"}
{"Action":"output","Package":"parley/b","Test":"TestBad","Output":"    b_test.go:3: got 1\n"}
{"Action":"fail","Package":"parley/b","Test":"TestBad","Elapsed":0.02}
{"Action":"fail","Package":"parley/b","Elapsed":0.7}
{"Action":"skip","Package":"parley/none","Elapsed":0}
{"ImportPath":"parley/c","Action":"build-output","Output":"c/c.go:1:1: broken\n"}
{"ImportPath":"parley/c","Action":"build-fail"}
{"Action":"fail","Package":"parley/c","Elapsed":0,"FailedBuild":"parley/c"}
{"Action":"output","Package":"parley/d","Output":"panic: lost\n"}
{"Action":"fail","Package":"parley/d","Elapsed":0.1}
go: a line outside of the format
`

func TestRender(t *testing.T) {
	var out strings.Builder
	sum, err := Render(strings.NewReader(run), &out)
	if err != nil {
		t.Fatal(err)
	}
	// b's test, c that does not build, d whose process died
	if want := (Summary{Passed: 1, Failed: 3, Skipped: 1}); sum != want {
		t.Errorf("summary %v, want %v", sum, want)
	}
	want := `ok   parley/a 0.50s
--- FAIL parley/b TestBad (0.02s)
        b_test.go:3: got 1
FAIL parley/b 0.70s
    c/c.go:1:1: broken
FAIL parley/c 0.00s
    panic: lost
FAIL parley/d 0.10s
go: a line outside of the format
skipped: parley/a TestSkip: a_test.go:9: no vectors
1 passed, 3 failed, 1 skipped
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// full fails after a few bytes, as a closed pipe does.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestRenderReportsItsWriter(t *testing.T) {
	if _, err := Render(strings.NewReader(run), full{}); err == nil {
		t.Error("no error from a writer that fails")
	}
}
