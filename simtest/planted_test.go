//go:build faults

package simtest

import (
	"testing"

	"parley/client"
	"parley/follower"
	"parley/hub"
	"parley/inbox"
	"parley/keypkg"
	"parley/outbox"
)

// plantedSeeds is within how many histories a checker has to find a planted mistake.
const plantedSeeds = 200

// soundSeeds is how many histories the same checkers must find nothing in while no mistake is switched on.
const soundSeeds = 40

// plants are the mistakes of the roles that the simulator has to find.
var plants = []struct {
	role  string
	where *string
	names []string
}{
	{"hub", &hub.Planted, []string{"forgets answers", "ignores the version", "answers before the commit"}},
	{"follower", &follower.Planted, []string{"forgets what it saw", "answers before the commit"}},
	{"outbox", &outbox.Planted, []string{"two in flight", "splits after a timeout"}},
	{"inbox", &inbox.Planted, []string{"acknowledges on reading"}},
	{"keypkg", &keypkg.Planted, []string{"one answer for all requests"}},
	{"client", &client.Planted, []string{"sends before it stores", "seals again", "shows refused as sent"}},
}

// TestPlanted is the test of the checkers: each planted mistake makes one fail, and without one none does.
func TestPlanted(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		for seed := range uint64(soundSeeds) {
			if r := (&World{Seed: seed}).Run(t); r.Failure != nil {
				t.Fatalf("seed %d: %v\n%s", seed, r.Failure, r.Dialogue)
			}
		}
	})
	for _, p := range plants {
		for _, name := range p.names {
			t.Run(p.role+" "+name, func(t *testing.T) {
				*p.where = name
				defer func() { *p.where = "" }()
				for seed := range uint64(plantedSeeds) {
					if r := (&World{Seed: seed}).Run(t); r.Failure != nil {
						t.Logf("found by seed %d: %v", seed, r.Failure)
						return
					}
				}
				t.Errorf("no checker found it in %d histories", plantedSeeds)
			})
		}
	}
}
