package sqlite

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"parley/storetest"
)

// running opens a store and runs it until the test ends or stop is called.
func running(t testing.TB, path string, o Options) (s *Store, stop func()) {
	t.Helper()
	s, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 2)
	go func() { done <- s.Run(ctx) }()
	go func() { done <- s.Checkpoints(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("the store stopped: %v", err)
			}
		}
		note(s)
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	t.Cleanup(stop)
	return s, stop
}

func stores(t *testing.T, path string) storetest.Stores {
	s, stop := running(t, path, Options{})
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
		Reopen: func(t *testing.T) storetest.Stores {
			stop()
			return stores(t, path)
		},
	}
}

// queries are what the stores of this test process have asked so far, and with how many arguments.
var queries = struct {
	sync.Mutex
	text map[string]int
}{text: make(map[string]int)}

// note adds what a store has asked; nobody uses it any more.
func note(s *Store) {
	queries.Lock()
	defer queries.Unlock()
	for range s.options.Readers {
		r := <-s.readers
		for text, stmt := range r.stmts {
			queries.text[text] = len(stmt.buffers)
		}
		s.readers <- r
	}
	for text, stmt := range s.writer.stmts {
		queries.text[text] = len(stmt.buffers)
	}
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Stores { return stores(t, filepath.Join(t.TempDir(), "parley.db")) })
	t.Run("no query reads a whole table", func(t *testing.T) { testPlans(t) })
}

// exempted are the queries that may read or sort a whole table, and why.
var exempted = map[string]string{
	"FROM sqlite_schema":   "at the opening",
	"AS rows FROM":         "of the tests",
	"FROM pin ORDER BY":    "all of it is wanted",
	"FROM lane GROUP BY":   "the summary for operators",
	"FROM parked AS p":     "what operators see",
	"WHERE parked = 1":     "what operators see",
	"instr(e.folded":       "a part of a name may be anywhere; off for other providers unless an operator allows it",
	"FROM user WHERE NOT":  "looked at when the process starts",
	"WITH RECURSIVE inbox": "reads the list of clients that it has made itself",
}

// testPlans asks SQLite how it runs each query of the suite.
func testPlans(t *testing.T) {
	s, _ := running(t, filepath.Join(t.TempDir(), "parley.db"), Options{})
	queries.Lock()
	defer queries.Unlock()
	checked := 0
	for query, args := range queries.text {
		verb, _, _ := strings.Cut(query, " ")
		if !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}, verb) || exempt(query) {
			continue
		}
		checked++
		check1(t, s.view(t.Context(), func(c *conn) error {
			return c.each(func(r row) (bool, error) {
				step := r.text(3)
				scan := strings.HasPrefix(step, "SCAN") && !strings.HasSuffix(step, "CONSTANT ROW") && !strings.HasSuffix(step, "VALUES CLAUSE")
				if scan || strings.Contains(step, "TEMP B-TREE") {
					t.Errorf("%s\nin the plan of\n%s", step, query)
				}
				return true, nil
			}, "EXPLAIN QUERY PLAN "+query, make([]any, args)...)
		}))
	}
	if checked < 60 {
		t.Errorf("only %d queries were checked", checked)
	}
}

func exempt(query string) bool {
	for part := range exempted {
		if strings.Contains(query, part) {
			return true
		}
	}
	return false
}
