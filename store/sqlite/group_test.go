package sqlite

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"parley/hub"
)

// A group in which a request fails after it has written is undone and run again, and leaves what the others wrote, whoever comes first.
func TestGroupIsRunAgain(t *testing.T) {
	fails := errors.New("this one fails")
	for name, failing := range map[string][]bool{
		"the first": {true, false, false}, "one in the middle": {false, true, false}, "the last": {false, false, true},
		"all": {true, true, true}, "none": {false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, filepath.Join(t.TempDir(), "parley.db"), Options{})
			runs := 0 // of closures, all of them on the writer's goroutine
			var requests []func(*conn) error
			for i, bad := range failing {
				requests = append(requests, func(c *conn) error {
					runs++
					err := newHubTx(c).SaveHead(room(t, i), 0, hub.Head{Version: 1})
					if bad {
						return errors.Join(err, fails)
					}
					return err
				})
			}
			for i, err := range group1(t, s.Store, requests...) {
				if errors.Is(err, fails) != failing[i] || err != nil && !failing[i] {
					t.Errorf("request %d: %v", i, err)
				}
			}
			want := len(failing)
			if n := slices.Index(failing, true); n >= 0 {
				want += n + 1
			}
			if runs != want {
				t.Errorf("closures ran %d times, want %d", runs, want)
			}
			check1(t, s.close(t))
			again := start(t, s.path, Options{})
			for i, bad := range failing {
				if has(t, again.Store, i) == bad {
					t.Errorf("after a restart: request %d has failed: %v, and is there: %v", i, bad, !bad)
				}
			}
			check1(t, again.close(t))
		})
	}
}
