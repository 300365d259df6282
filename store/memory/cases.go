package memory

import (
	"cmp"
	"slices"
	"time"

	"parley/hub"
	"parley/uri"
)

// cases is the part of state that a hub keeps for abuse reports.
type cases struct {
	keys       map[uint64][]byte // by From
	reports    map[uint64]hub.Report
	marks      map[[32]byte]uint64
	lastReport uint64
}

func newCases() cases {
	return cases{keys: make(map[uint64][]byte), reports: make(map[uint64]hub.Report), marks: make(map[[32]byte]uint64)}
}

// Cases is what the hub keeps for abuse reports.
func (s *Store) Cases() hub.Cases {
	update, view := runner(s, func(t *tx) hub.CaseTx { return &caseTx{t} })
	return hub.Cases{Update: update, View: view}
}

type caseTx struct{ *tx }

func (t *caseTx) HubKeys() ([]hub.HubKey, error) {
	var out []hub.HubKey
	for _, from := range sortedBy(t.cases.keys, cmp.Compare[uint64]) {
		out = append(out, hub.HubKey{From: from, Secret: slices.Clone(t.cases.keys[from])})
	}
	return out, nil
}

func (t *caseTx) PutHubKey(k hub.HubKey) error {
	return put(t.tx, t.cases.keys, k.From, slices.Clone(k.Secret))
}

func (t *caseTx) AddReport(r *hub.Report) error {
	if !t.write {
		return errReadOnly
	}
	t.cases.lastReport++
	r.ID = t.cases.lastReport
	for _, m := range r.Marks {
		if err := put(t.tx, t.cases.marks, m, r.ID); err != nil {
			return err
		}
	}
	stored := *r
	stored.Marks, stored.Verdicts = nil, slices.Clone(r.Verdicts)
	return put(t.tx, t.cases.reports, r.ID, stored)
}

func (t *caseTx) Reports(after uint64, limit int, open bool) ([]hub.Report, error) {
	var out []hub.Report
	for _, id := range sortedBy(t.cases.reports, cmp.Compare[uint64]) {
		r := t.cases.reports[id]
		if id > after && len(out) < limit && !(open && !r.Resolved.IsZero()) {
			out = append(out, r)
		}
	}
	return out, nil
}

func (t *caseTx) Resolve(id uint64, at time.Time, outcome string) (bool, error) {
	r, ok := t.cases.reports[id]
	if !ok || !r.Resolved.IsZero() {
		return false, nil
	}
	r.Resolved, r.Outcome = at, outcome
	return true, put(t.tx, t.cases.reports, id, r)
}

func (t *caseTx) Marked(mark [32]byte) (bool, error) {
	_, ok := t.cases.marks[mark]
	return ok, nil
}

func (t *caseTx) Waiting(caller uri.Provider) (n int, err error) {
	for _, r := range t.cases.reports {
		if r.Caller == caller && r.Resolved.IsZero() {
			n++
		}
	}
	return n, nil
}

func (t *caseTx) Expire(resolved, replaced time.Time) (n int, err error) {
	for _, id := range sortedBy(t.cases.reports, cmp.Compare[uint64]) {
		if r := t.cases.reports[id]; r.Resolved.IsZero() || !r.Resolved.Before(resolved) {
			continue
		}
		for m, of := range t.cases.marks {
			if of != id {
				continue
			}
			if err := drop(t.tx, t.cases.marks, m); err != nil {
				return n, err
			}
		}
		if err := drop(t.tx, t.cases.reports, id); err != nil {
			return n, err
		}
		n++
	}
	keys := sortedBy(t.cases.keys, cmp.Compare[uint64])
	for i := 0; i+1 < len(keys) && int64(keys[i+1]) < replaced.UnixMilli(); i++ {
		if err := drop(t.tx, t.cases.keys, keys[i]); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
