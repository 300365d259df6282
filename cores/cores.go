// Package cores lets long MLS work of a process run on all its processors: what mls.Config.Parallel is set to, for the engine itself starts
// nothing. It must not import anything of Parley.
package cores

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// worthParallel is the number of pieces of work from which more than one core takes part: they are signatures and encryptions, of some 60 us
// each, and ordinary commits have two.
const worthParallel = 16

// All runs f(0) to f(n-1) on all cores and returns when all are done.
func All(n int, f func(i int)) {
	workers := min(n/(worthParallel/2), runtime.GOMAXPROCS(0))
	if n < worthParallel {
		workers = 1
	}
	var next atomic.Int64
	var all sync.WaitGroup
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
		}
	}
	for range workers - 1 {
		all.Go(work)
	}
	work()
	all.Wait()
}
