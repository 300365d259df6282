package mls_test

import (
	"fmt"
	"testing"
	"time"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// BenchmarkSuites compares what suites cost: run it with -benchtime 1x. The group of 100 is cold: its founder has added all
// others in one commit, and its next commit seals to every leaf. In the group of 16 everybody has committed once.
func BenchmarkSuites(b *testing.B) {
	table := hybridTable(b)
	for _, id := range table.All() {
		if id == suite.X25519ChaCha20 || id == suite.P521AES256 {
			continue
		}
		s, err := table.Lookup(id)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(s.String(), func(b *testing.B) {
			for b.Loop() {
				suiteCosts(b, &mls.Config{Suites: table}, id)
			}
		})
	}
}

// costs are told as metrics: microseconds and octets.
func suiteCosts(b *testing.B, cfg *mls.Config, id wire.CipherSuite) {
	timed := func(name string, f func()) { // the least of several, which other load on the machine disturbs least
		least := time.Hour
		for range 9 {
			began := time.Now()
			f()
			least = min(least, time.Since(began))
		}
		b.ReportMetric(float64(least.Microseconds()), name+"-us")
	}
	sized := func(name string, v syntax.Value) {
		octets, err := syntax.Marshal(v)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(octets)), name+"-B")
	}
	var kp *mls.KeyPackageBundle
	timed("keypackage", func() { kp, _ = newBundle(b, id, "somebody") })
	sized("keypackage", &kp.KeyPackage)
	for _, n := range []int{16, 100} {
		r := newRoom(b, cfg, id, nil)
		r.light = true
		r.add(r.members[0], n-1, mls.CommitOptions{})
		if n == 16 {
			for _, m := range r.members {
				r.commit(m, mls.CommitOptions{})
			}
		}
		var result *mls.CommitResult
		var err error
		by, other := r.members[0], r.members[n-1]
		timed(fmt.Sprint("commit", n), func() {
			result, _, err = by.group.Commit(mls.CommitOptions{}, start)
		})
		if err != nil {
			b.Fatal(err)
		}
		sized(fmt.Sprint("commit", n), result.Message)
		timed(fmt.Sprint("process", n), func() {
			staged, err := other.group.Process(result.Message, start)
			if err != nil {
				b.Fatal(err)
			}
			staged.Discard()
		})
		tree := r.hub.Tree()
		sized(fmt.Sprint("tree", n), &tree)
	}
}
