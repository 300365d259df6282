package sqlite

import (
	"time"

	"parley/hub"
	"parley/mimi"
	"parley/syntax"
	"parley/uri"
)

// Cases is what the hub keeps for abuse reports.
func (s *Store) Cases() hub.Cases {
	update, view := runner(s, func(c *conn) hub.CaseTx { return &caseTx{c} })
	return hub.Cases{Update: update, View: view}
}

type caseTx struct{ c *conn }

func (t *caseTx) HubKeys() ([]hub.HubKey, error) {
	var out []hub.HubKey
	err := t.c.each(func(r row) (bool, error) {
		out = append(out, hub.HubKey{From: r.uint(0), Secret: r.octets(1)})
		return true, nil
	}, "SELECT since, secret FROM hub_key WHERE since >= 0 ORDER BY since")
	return out, err
}

func (t *caseTx) PutHubKey(k hub.HubKey) error {
	_, err := t.c.exec("INSERT INTO hub_key VALUES(?, ?)", whole(k.From), filled(k.Secret))
	return err
}

func (t *caseTx) AddReport(r *hub.Report) error {
	octets, err := syntax.Marshal(&r.Content)
	if err != nil {
		return err
	}
	verdicts := make([]byte, len(r.Verdicts))
	for i, v := range r.Verdicts {
		verdicts[i] = byte(v)
	}
	if _, err := t.c.exec("INSERT INTO report(at, caller, room, octets, verdicts, resolved, outcome) VALUES(?, ?, ?, ?, ?, ?, ?)",
		millis(r.At), r.Caller.Domain(), r.Room.String(), octets, verdicts, millis(r.Resolved), r.Outcome); err != nil {
		return err
	}
	id, err := t.c.number("SELECT last_insert_rowid()")
	if err != nil {
		return err
	}
	r.ID = uint64(id)
	for _, m := range r.Marks {
		if _, err := t.c.exec("INSERT OR IGNORE INTO report_mark VALUES(?, ?)", m[:], id); err != nil {
			return err
		}
	}
	return nil
}

func (t *caseTx) Reports(after uint64, limit int, open bool) ([]hub.Report, error) {
	query := "SELECT id, at, caller, room, octets, verdicts, resolved, outcome FROM report WHERE id > ? + 0"
	if open {
		query += " AND resolved = 0"
	}
	var out []hub.Report
	err := t.c.each(func(r row) (bool, error) {
		report := hub.Report{ID: r.uint(0), At: timeOf(r.int(1)), Resolved: timeOf(r.int(6)), Outcome: r.text(7)}
		var err error
		if report.Caller, err = uri.ProviderFromDomain(r.text(2)); err != nil {
			return false, err
		}
		if report.Room, err = uri.ParseRoom(r.text(3)); err != nil {
			return false, err
		}
		for _, v := range r.octets(5) {
			report.Verdicts = append(report.Verdicts, hub.Verdict(v))
		}
		octets := r.octets(4)
		err = mimi.Limits(len(octets)).Unmarshal(octets, &report.Content)
		out = append(out, report)
		return true, err
	}, query+" ORDER BY id LIMIT ? + 0", whole(after), int64(limit))
	return out, err
}

func (t *caseTx) Resolve(id uint64, at time.Time, outcome string) (bool, error) {
	n, err := t.c.exec("UPDATE report SET resolved = ?, outcome = ? WHERE id = ? + 0 AND resolved = 0", millis(at), outcome, whole(id))
	return n > 0, err
}

func (t *caseTx) Marked(mark [32]byte) (bool, error) {
	_, ok, err := t.c.one("SELECT 1 FROM report_mark WHERE mark = ?", mark[:])
	return ok, err
}

func (t *caseTx) Waiting(caller uri.Provider) (int, error) {
	n, err := t.c.number("SELECT count(*) FROM report WHERE caller = ? AND resolved = 0", caller.Domain())
	return int(n), err
}

func (t *caseTx) Expire(resolved, replaced time.Time) (int, error) {
	if _, err := t.c.exec(`DELETE FROM report_mark WHERE report IN (SELECT id FROM report WHERE resolved > 0 AND resolved < ?)`,
		millis(resolved)); err != nil {
		return 0, err
	}
	n, err := t.c.exec("DELETE FROM report WHERE resolved > 0 AND resolved < ?", millis(resolved))
	if err != nil {
		return 0, err
	}
	m, err := t.c.exec("DELETE FROM hub_key WHERE since < (SELECT max(since) FROM hub_key WHERE since < ?)", millis(replaced))
	return int(n + m), err
}
