package bench

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// build makes the binary as it is shipped, without the race detector of this test.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "parley")
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, "parley/cmd/parley")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// lines writes progress to the test's log.
type lines struct{ t *testing.T }

func (l lines) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func seed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("PARLEY_SEED")
	if text == "" {
		return rand.Uint64()
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("PARLEY_SEED: %v", err)
	}
	return n
}

// TestCrashLoop is the promise: whatever dies, a message that somebody sent arrives once, in order, and can be opened.
func TestCrashLoop(t *testing.T) {
	c := Crashes{Setup: Setup{Binary: build(t), Dir: t.TempDir(), Seed: seed(t), Progress: lines{t}}, Kills: 50}
	if testing.Short() {
		c.Kills = 6
	}
	t.Logf("seed %d; PARLEY_SEED=%d kills the same providers in the same order", c.Seed, c.Seed)
	result, err := Crash(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	v := result.Verdict
	t.Logf("%v kills in %.0f s, %d visits of guests: %+v", result.Kills, result.Seconds, result.Visits, v)
	if !v.Good() {
		t.Errorf("messages were harmed: %+v", v)
	}
	if kills := result.Kills["a.example"] + result.Kills["b.example"]; kills < c.Kills {
		t.Errorf("%d kills", kills)
	}
	if v.Delivered < 5*c.Kills || result.Visits == 0 {
		t.Errorf("%d messages and %d visits: that is no load", v.Delivered, result.Visits)
	}
}
