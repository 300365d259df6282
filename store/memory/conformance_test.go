package memory_test

import (
	"testing"

	"parley/store/memory"
	"parley/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Stores {
		s := memory.New()
		return storetest.Stores{
			Hub:         s.Hub(),
			Outbox:      s.Outbox(),
			Follower:    s.Follower(),
			Inbox:       s.Inbox(),
			KeyPackages: s.KeyPackages(),
			Accounts:    s.Accounts.Update,
			Pins:        s.Accounts.UpdatePins,
			People:      s.Accounts.UpdatePeople,
			Contact:     s.Contact(),
			Cases:       s.Cases(),
			Assets:      s.Assets(),
		}
	})
}
