package simtest

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
)

func TestOne(t *testing.T) {
	lo, _ := strconv.Atoi(os.Getenv("LO"))
	hi, _ := strconv.Atoi(os.Getenv("HI"))
	total := map[string]int{}
	seeds := map[string]int{}
	steps := 0
	for seed := lo; seed < hi; seed++ {
		w := World{Seed: uint64(seed)}
		r := w.Run(t)
		steps += r.Steps
		for k, v := range r.Counts {
			total[k] += v
			seeds[k]++
		}
		if r.Failure != nil {
			t.Errorf("seed %d: %d steps, %v, %v", r.Seed, r.Steps, r.Failure, r.Failure.At)
			if hi-lo < 3 {
				t.Logf("%v\n%s", r.Failure, r.Dialogue)
			}
		}
		if os.Getenv("TWICE") != "" {
			w := World{Seed: uint64(seed)}
			r2 := w.Run(t)
			if r2.Hash != r.Hash || r.Steps != r2.Steps {
				t.Errorf("seed %d differs", seed)
			}
		}
	}
	keys := []string{}
	for k := range total {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		fmt.Printf("%6d in %4d  %s\n", total[k], seeds[k], k)
	}
	fmt.Println(steps, "steps")
}
