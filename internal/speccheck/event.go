package speccheck

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
)

// event is one line of `go test -json` (cmd/test2json).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output and build-fail
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

// events calls visit for each event. A line that is no event reaches stray
// instead, as it is: the go command prints some messages outside of the format.
func events(r io.Reader, visit func(event), stray func(line string)) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) == nil && e.Action != "" {
				visit(e)
			} else if stray != nil {
				stray(line)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
