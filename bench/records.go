package bench

import (
	"context"
	"slices"
	"strings"

	"parley/mls"
)

// records is a device's store in memory, for one goroutine at a time. It does not keep timelines: the ledger has looked at every entry,
// and a long run would fill the memory.
type records struct{ by map[string][]byte }

func newRecords() *records { return &records{by: make(map[string][]byte)} }

// Load implements client.Store.
func (r *records) Load(_ context.Context, prefix string) ([]mls.Record, error) {
	var out []mls.Record
	for key, value := range r.by {
		if strings.HasPrefix(key, prefix) {
			out = append(out, mls.Record{Key: key, Value: value})
		}
	}
	slices.SortFunc(out, func(a, b mls.Record) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

// Commit implements client.Store.
func (r *records) Commit(_ context.Context, changes mls.Delta) error {
	for _, c := range changes {
		switch {
		case strings.Contains(c.Key, "/log/"):
		case c.Value == nil:
			delete(r.by, c.Key)
		default:
			r.by[c.Key] = c.Value
		}
	}
	return nil
}
