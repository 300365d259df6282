package follower

import (
	"context"
	"time"

	"parley/mimi"
	"parley/uri"
)

// ReportAbuse sends a client's report to the hub of the room and to nobody else (P-AB-01). A report without a reporter is anonymous
// beyond this provider (P-AB-02).
func (f *Follower) ReportAbuse(ctx context.Context, by Client, room uri.Room, r *mimi.AbuseReport) error {
	if r.Reporter != "" && !uri.Equal(r.Reporter, by.User.String()) {
		return errNotYours
	}
	peer, err := f.peer(room.Provider())
	if err != nil {
		return err
	}
	return peer.ReportAbuse(ctx, room, r)
}

// Tell puts news that are of no hub into the inboxes of clients, once for each sum. at stands where entries have their room. One
// transaction.
func (f *Follower) Tell(ctx context.Context, at uri.Room, clients []uri.Client, news []byte, sum [32]byte, now time.Time) error {
	if len(clients) == 0 {
		return nil
	}
	ms := uint64(max(now.UnixMilli(), 0))
	item := Item{Room: at, Timestamp: ms, Arrived: ms, Body: news}
	fresh := false
	err := f.cfg.Store.Update(ctx, func(tx Tx) error {
		seen, err := tx.Seen(at, sum)
		if fresh = !seen; err != nil || seen {
			return err
		}
		return tx.Deliver(item, sum, clients)
	})
	if err == nil && fresh && f.cfg.Wake != nil {
		f.cfg.Wake(clients)
	}
	return storeError(err)
}
