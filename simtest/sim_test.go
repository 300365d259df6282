package simtest

import (
	"os"
	"strconv"
	"testing"
)

func TestOne(t *testing.T) {
	lo, _ := strconv.Atoi(os.Getenv("LO"))
	hi, _ := strconv.Atoi(os.Getenv("HI"))
	bad := 0
	for seed := lo; seed < hi; seed++ {
		w := World{Seed: uint64(seed)}
		r := w.Run(t)
		if r.Failure != nil {
			bad++
			t.Errorf("seed %d: %d steps, %v, %v", r.Seed, r.Steps, r.Failure, r.Failure.At)
			if hi-lo < 3 {
				t.Logf("%v\n%s", r.Failure, r.Dialogue)
			}
		} else if hi-lo < 3 {
			t.Logf("seed %d: %d steps, %v, %v", r.Seed, r.Steps, r.Virtual, r.Counts)
		}
	}
}
