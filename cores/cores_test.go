package cores

import (
	"slices"
	"testing"
)

// Each piece is done once, and all are done at the end.
func TestParallel(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 1000} {
		done := make([]int, n)
		All(n, func(i int) { done[i]++ })
		if slices.ContainsFunc(done, func(times int) bool { return times != 1 }) {
			t.Errorf("%d pieces: %v", n, done)
		}
	}
}
