package simtest

import "time"

// faults are the probabilities of one history. A seed takes some kinds of fault and leaves others out, so that rare combinations
// happen undisturbed (swarm testing).
type faults struct {
	lose    float64       // a request or an answer never arrives
	repeat  float64       // a request arrives twice
	late    float64       // a request or an answer takes seconds
	busy    float64       // 429 or 503 instead of the work
	spoilt  float64       // the work is done and answered by 500
	before  float64       // a provider crashes when a transaction begins
	after   float64       // a provider crashes when a transaction was committed
	lost    float64       // a commit fails and is lost
	known   float64       // a commit fails and is stored
	device  float64       // a device crashes at a commit of its store
	disk    float64       // a commit of a device's store fails
	cuts    int           // partitions of one direction of one pair
	restart int           // crashes of providers at any time
	slow    time.Duration // how long a transaction waits at most; long ones make operations meet
	skew    time.Duration
	jumps   int  // changes of a provider's or device's clock
	liars   int  // requests of somebody else, made by a peer that overheard them
	leap    bool // a long time passes at once
}

func drawFaults(s *scheduler) faults {
	var f faults
	rate := func(high float64) float64 {
		if s.chance(0.45) {
			return 0
		}
		return high * s.rng.Float64()
	}
	count := func(high int) int { return max(0, s.rng.IntN(2*high+1)-high) }
	f.lose, f.repeat, f.late = rate(0.15), rate(0.10), rate(0.15)
	f.busy, f.spoilt = rate(0.10), rate(0.08)
	f.before, f.after = rate(0.02), rate(0.02)
	f.lost, f.known = rate(0.03), rate(0.03)
	f.device, f.disk = rate(0.03), rate(0.02)
	f.cuts, f.restart, f.jumps, f.liars = count(4), count(3), count(3), count(4)
	f.leap = s.chance(0.1)
	f.slow = quick
	if s.chance(0.4) {
		f.slow = s.between(quick, 300*time.Millisecond)
	}
	if s.chance(0.5) {
		f.skew = s.between(0, maxSkew)
	}
	return f
}

// quick is how long a transaction waits when nothing is slow.
const quick = 3 * time.Millisecond

// maxSkew is how far clocks may be off: twice of it is below the tolerances of KeyPackages and credentials.
const maxSkew = 4 * time.Minute
