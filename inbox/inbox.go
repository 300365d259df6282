package inbox

import (
	"context"
	"time"

	"parley/uri"
)

const (
	// DefaultRetention is how long an entry waits for its client.
	DefaultRetention = 60 * 24 * time.Hour
	// MaxRead and MaxReadBytes bound one reading.
	MaxRead      = 256
	MaxReadBytes = 4 << 20
)

// Config is what inboxes are made of.
type Config struct {
	Store Store
	Now   func() time.Time
	// Retention is how long an entry waits for its client; 0 means DefaultRetention.
	Retention time.Duration
}

// Inboxes are the inboxes of one provider's clients. They are safe for concurrent use.
type Inboxes struct{ cfg Config }

// New makes the inboxes.
func New(cfg Config) *Inboxes {
	if cfg.Retention == 0 {
		cfg.Retention = DefaultRetention
	}
	return &Inboxes{cfg}
}

// Read returns the entries of a client behind a cursor in order, at most limit (1 to MaxRead) and MaxReadBytes but at least one, and
// whether more wait. A nil cursor stands for the last acknowledged one.
func (b *Inboxes) Read(ctx context.Context, client uri.Client, after *Cursor, limit int) (entries []Entry, more bool, err error) {
	limit = min(max(limit, 1), MaxRead)
	err = b.cfg.Store.View(ctx, func(tx Tx) error {
		// What was acknowledged is deleted, so that a cursor before that leads to the same entries.
		var from Cursor
		if after != nil {
			from = *after
		} else if from, err = tx.Acked(client); err != nil {
			return err
		}
		entries, err = tx.Read(client, from, limit, MaxReadBytes)
		more = len(entries) > 0 && !entries[len(entries)-1].Last
		return err
	})
	if len(entries) > 0 && planted("acknowledges on reading") {
		err = b.Ack(ctx, client, entries[len(entries)-1].Cursor)
	}
	return entries, more, err
}

// Ack says that the client has stored everything up to the cursor. An old cursor changes nothing; one beyond the newest entry stands
// for that.
func (b *Inboxes) Ack(ctx context.Context, client uri.Client, cursor Cursor) error {
	return b.cfg.Store.Update(ctx, func(tx Tx) error { return tx.Ack(client, cursor) })
}

// Depth is the number of a client's entries that wait.
func (b *Inboxes) Depth(ctx context.Context, client uri.Client) (n int, err error) {
	err = b.cfg.Store.View(ctx, func(tx Tx) error {
		n, err = tx.Depth(client)
		return err
	})
	return n, err
}

// Sweep deletes entries that no client came for within the retention, and returns how many.
func (b *Inboxes) Sweep(ctx context.Context) (deleted int, err error) {
	err = b.cfg.Store.Update(ctx, func(tx Tx) error {
		deleted, err = tx.Expire(b.cfg.Now().Add(-b.cfg.Retention))
		return err
	})
	return deleted, err
}
