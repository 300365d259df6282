package content_test

import (
	"math/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley/content"
	"parley/internal/vectors"
)

func TestStatusReports(t *testing.T) {
	id := messageID(t, idOriginal)
	t.Run("C-ST-01 an array of pairs of ID and status", func(t *testing.T) {
		for data, good := range map[string]bool{
			"80": true, "81825820" + idOriginal + "02": true, "82825820" + idOriginal + "02825820" + idReply + "00": true,
			"81825820" + idOriginal + "1818": true, "81825820" + idOriginal + "1802": false, "81835820" + idOriginal + "0200": false,
			"81825820" + idOriginal: false, "8182581f" + idOriginal[2:] + "02": false, "81825821" + idOriginal + "0002": false, "8181f6": false,
			"a0": false, "8000": false, "82825820" + idOriginal + "02": false, "9f825820" + idOriginal + "02ff": false, "81825820" + idOriginal + "20": false,
			"9bffffffffffffffff": false, "": false,
		} {
			report, err := content.DecodeStatus(unhex(t, data))
			if (err == nil) != good {
				t.Errorf("%s: %v", data, err)
			}
			if err == nil && string(report.Encode()) != string(unhex(t, data)) {
				t.Errorf("%s became %x", data, report.Encode())
			}
		}
	})
	t.Run("C-ST-02 the seven statuses", func(t *testing.T) {
		named := []content.Status{content.StatusUnread, content.StatusDelivered, content.StatusRead, content.StatusExpired,
			content.StatusDeleted, content.StatusHidden, content.StatusError}
		for n, s := range named {
			data := append(append(unhex(t, "81825820"), id[:]...), byte(n))
			if got, err := content.DecodeStatus(data); err != nil || got[0].Status != s {
				t.Errorf("%d: %v, %v", n, got, err)
			}
		}
	})
	t.Run("C-ST-03 unknown values are kept, larger ones invalid", func(t *testing.T) {
		prefix := append(unhex(t, "81825820"), id[:]...)
		for _, value := range []string{"07", "18ff"} {
			report, err := content.DecodeStatus(append(append([]byte{}, prefix...), unhex(t, value)...))
			if err != nil || content.StatusRead.Next(report[0].Status) != content.StatusRead {
				t.Errorf("%s: %v", value, err)
			}
			var kept content.StatusKept
			kept.Note(report[0].Status, content.Position{Accepted: 1})
			if _, known := kept.Status(); known {
				t.Errorf("%s counts", value)
			}
		}
		if _, err := content.DecodeStatus(append(append([]byte{}, prefix...), unhex(t, "190100")...)); err != content.ErrRange {
			t.Errorf("256: %v", err)
		}
	})
	t.Run("C-ST-04 many messages in one report", func(t *testing.T) {
		var batch content.StatusBatch
		for n := range 100 {
			batch.Note(content.MessageID{1, byte(n)}, content.StatusDelivered)
		}
		batch.Note(content.MessageID{1, 5}, content.StatusRead)
		report := batch.Take(time.Unix(100, 0))
		again, err := content.DecodeStatus(report.Encode())
		if err != nil || len(again) != 100 || again[5].Status != content.StatusRead || again[4].Status != content.StatusDelivered {
			t.Errorf("%d entries, %v", len(again), err)
		}
	})
	t.Run("C-ST-10 entries with an unknown algorithm are dropped", func(t *testing.T) {
		report := content.StatusReport{{ID: content.MessageID{2}}, {ID: id, Status: 2}, {ID: content.MessageID{}}}
		if got := report.Known(); len(got) != 1 || got[0].ID != id || report.Validate() != content.ErrHash {
			t.Errorf("%v", got)
		}
	})
	t.Run("the published example", func(t *testing.T) {
		data, err := os.ReadFile(filepath.Join(vectors.Dir(t, "mimi-content"), "status.cbor"))
		if err != nil {
			t.Skip("not among the vectors")
		}
		if report, err := content.DecodeStatus(data); err != nil || len(report) != 4 || len(report.Known()) != 4 {
			t.Errorf("%v, %v", report, err)
		}
	})
}

func TestStatusKept(t *testing.T) {
	const (
		unread, delivered, read, expired = content.StatusUnread, content.StatusDelivered, content.StatusRead, content.StatusExpired
		deleted, hidden, failed          = content.StatusDeleted, content.StatusHidden, content.StatusError
	)
	t.Run("C-ST-05 the last report in the room's order, through the filter", func(t *testing.T) {
		for _, c := range []struct {
			reports []content.Status
			want    content.Status
		}{
			{[]content.Status{delivered}, delivered}, {[]content.Status{delivered, read}, read}, {[]content.Status{read, delivered}, read},
			{[]content.Status{read, unread}, unread}, {[]content.Status{read, unread, delivered}, delivered}, {[]content.Status{unread, read}, read},
			{[]content.Status{failed, delivered}, delivered}, {[]content.Status{delivered, failed}, failed},
			{[]content.Status{deleted, read}, deleted}, {[]content.Status{deleted, unread, delivered}, deleted}, {[]content.Status{read, expired}, expired},
			{[]content.Status{hidden, read}, read}, {[]content.Status{read, 77}, read}, {[]content.Status{read, hidden, delivered}, delivered},
		} {
			var kept content.StatusKept
			status := c.reports[0]
			for n, s := range c.reports {
				kept.Note(s, content.Position{Accepted: uint64(n + 1)})
				status = status.Next(s)
			}
			if got, known := kept.Status(); !known || got != c.want || status != c.want {
				t.Errorf("%v: %d and %d, want %d", c.reports, got, status, c.want)
			}
		}
	})
	t.Run("whatever order they arrive in", func(t *testing.T) {
		random := rand.New(rand.NewSource(1))
		for range 2000 {
			statuses := make([]content.Status, 1+random.Intn(6))
			order := random.Perm(len(statuses))
			want := content.Status(0)
			for n := range statuses {
				statuses[n] = content.Status(random.Intn(8))
				if n == 0 {
					want = content.StatusUnread.Next(statuses[0])
				} else {
					want = want.Next(statuses[n])
				}
			}
			var kept content.StatusKept
			for _, n := range order {
				kept.Note(statuses[n], content.Position{Accepted: uint64(n + 1)})
			}
			if got, known := kept.Status(); known && got != want {
				t.Fatalf("%v in order %v: %d, want %d", statuses, order, got, want)
			}
		}
	})
}

func TestStatusSending(t *testing.T) {
	t.Run("C-ST-06 forbidden never, required always, optional as the user likes", func(t *testing.T) {
		for policy, want := range map[content.Optionality][2]bool{content.Optional: {false, true}, content.Required: {true, true},
			content.Forbidden: {false, false}, 3: {false, false}} {
			for n, wish := range []bool{false, true} {
				rules := content.StatusRules{Delivery: policy, Read: content.Forbidden, TellDelivery: wish, TellRead: true}
				if got := rules.Send(content.StatusDelivered); got != want[n] {
					t.Errorf("delivery %d, wish %v: %v", policy, wish, got)
				}
				if rules.Send(content.StatusRead) {
					t.Errorf("read sent though forbidden")
				}
				rules = content.StatusRules{Delivery: content.Forbidden, Read: policy, TellDelivery: true, TellRead: wish}
				for _, s := range []content.Status{content.StatusRead, content.StatusUnread, content.StatusExpired, content.StatusDeleted, content.StatusHidden} {
					if got := rules.Send(s); got != want[n] {
						t.Errorf("status %d, policy %d, wish %v: %v", s, policy, wish, got)
					}
				}
				if rules.Send(content.StatusDelivered) || rules.Send(content.StatusError) || rules.Send(7) {
					t.Error("sent though forbidden or unknown")
				}
			}
		}
		crowded := content.StatusRules{TellRead: true, TellDelivery: true, Delivery: content.Required, Crowded: true}
		if crowded.Send(content.StatusRead) || !crowded.Send(content.StatusDelivered) {
			t.Error("in a crowd only what is required")
		}
	})
	t.Run("at most one report in five seconds, of 256 entries", func(t *testing.T) {
		var b content.StatusBatch
		now := time.Unix(1000, 0)
		if _, found := b.Due(); found || b.Take(now) != nil {
			t.Error("due though empty")
		}
		for n := range 500 {
			b.Note(content.MessageID{1, byte(n >> 8), byte(n)}, content.StatusRead)
		}
		if got := len(b.Take(now)); got != 256 {
			t.Errorf("%d entries", got)
		}
		if at, found := b.Due(); !found || !at.Equal(now.Add(5*time.Second)) || b.Take(now.Add(4999*time.Millisecond)) != nil {
			t.Errorf("due %v, %v", at, found)
		}
		if got := b.Take(now.Add(5 * time.Second)); len(got) != 244 || got[0].ID != (content.MessageID{1, 1, 0}) {
			t.Errorf("%d entries", len(got))
		}
		if _, found := b.Due(); found {
			t.Error("something is left")
		}
	})
	t.Run("C-ST-09 reports are not reported on", func(t *testing.T) {
		alice, hub := user(t, "mimi://a.example/u/alice"), room(t, "mimi://a.example/r/x")
		report := content.NewStatus([16]byte{}, alice, hub, content.StatusReport{{ID: messageID(t, idOriginal), Status: content.StatusRead}})
		if report.Receipted() || content.Text(report) != "" {
			t.Errorf("a report is answered, or shown as %q", content.Text(report))
		}
		reaction, err := content.NewReaction([16]byte{}, alice, hub, messageID(t, idOriginal), "\u2764")
		if err != nil || reaction.Receipted() || (content.Message{}).Receipted() {
			t.Error("a reaction or a deletion is answered")
		}
		if !content.NewText([16]byte{}, alice, hub, "x").Receipted() || !(content.Message{Body: multi(1, 2, say("text/plain", ""), say("text/plain", ""))}).Receipted() {
			t.Error("a message is not answered")
		}
	})
}
