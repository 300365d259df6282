//go:build !faults

package simtest

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// everyRun is how many histories each test run plays.
const everyRun = 200

// seeds reads which histories to play: PARLEY_SEED for the first one, PARLEY_SEEDS for how many.
func seeds(t *testing.T) (first, n uint64) {
	t.Helper()
	first, one := number(t, "PARLEY_SEED", 0)
	n, many := number(t, "PARLEY_SEEDS", everyRun)
	if one && !many {
		n = 1
	}
	return first, n
}

func number(t *testing.T, name string, otherwise uint64) (n uint64, given bool) {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s is not a number: %q", name, text)
	}
	return n, true
}

// TestSeeds plays histories and holds each against every promise. That the faults and wishes really happen is part of it.
func TestSeeds(t *testing.T) {
	first, n := seeds(t)
	began, all := time.Now(), newTally()
	for seed := first; seed < first+n; seed++ {
		// A subtest, so that the seed is known also of a history that does not end.
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			r := (&World{Seed: seed}).Run(t)
			all.add(r)
			if r.Failure != nil {
				report(t, r)
			} else if n == 1 {
				t.Logf("the end of seed %d:\n%s", seed, r.Dialogue)
			}
		})
		if t.Failed() && n <= everyRun {
			break // the first one says enough
		}
	}
	t.Logf("seeds %d to %d: %d steps, %v of virtual time, %.1f histories a second\n%s", first, first+n-1, all.steps, all.virtual.Round(time.Second),
		float64(all.histories)/time.Since(began).Seconds(), all)
	if n >= everyRun && !t.Failed() {
		all.requireAll(t)
	}
}

func report(t *testing.T, r *Result) {
	t.Helper()
	t.Errorf("seed %d breaks a promise after %.3fs and %d steps\n%s: %s\nreplay with: make sim SEED=%d\n%s",
		r.Seed, r.Failure.At.Seconds(), r.Steps, r.Failure.Checker, r.Failure.What, r.Seed, r.Dialogue)
}

// TestReplay requires that a seed is a history: the same octets, times and order each time it is played.
func TestReplay(t *testing.T) {
	first, n := seeds(t)
	differ := make(map[[32]byte]uint64)
	for seed := first; seed < first+min(n, 4); seed++ {
		one, two := (&World{Seed: seed}).Run(t), (&World{Seed: seed}).Run(t)
		if one.Hash != two.Hash || one.Steps != two.Steps {
			t.Errorf("seed %d: %d steps and %x, then %d steps and %x", seed, one.Steps, one.Hash[:4], two.Steps, two.Hash[:4])
		}
		if other, same := differ[one.Hash]; same {
			t.Errorf("seeds %d and %d are one history", other, seed)
		}
		differ[one.Hash] = seed
	}
}

// tally adds up histories.
type tally struct {
	histories, steps int
	virtual          time.Duration
	counts, in       map[string]int
}

func newTally() *tally { return &tally{counts: make(map[string]int), in: make(map[string]int)} }

func (a *tally) add(r *Result) {
	a.histories++
	a.steps += r.Steps
	a.virtual += r.Virtual
	for what, n := range r.Counts {
		a.counts[what] += n
		a.in[what]++
	}
}

func (a *tally) String() string {
	names := make([]string, 0, len(a.counts))
	for name := range a.counts {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%7d in %4d  %s\n", a.counts[name], a.in[name], name)
	}
	return b.String()
}

// requireAll fails when histories leave out what they are for: then their success says nothing.
func (a *tally) requireAll(t *testing.T) {
	t.Helper()
	for _, what := range happenings {
		if share := a.in[what] * 100 / a.histories; share < 1 {
			t.Errorf("%q happened in %d of %d histories", what, a.in[what], a.histories)
		}
	}
}

// happenings are what has to occur in one of a hundred histories; the rarest, conflicts, do in five.
var happenings = []string{
	"governed", "comebacks", "rooms created", "messages accepted", "commits", "proposals", "devices removed", "burglaries", "KeyPackages claimed",
	"external joins", "lost races", "conflicts", "re-encryptions", "messages sent together",
	"requests lost", "answers lost", "requests repeated", "late", "refused for a while", "spoilt answers", "partitions", "leaps",
	"provider crashes", "device crashes", "commits lost", "commits failed and stored", "disk failures", "clock jumps", "forgeries refused",
}
