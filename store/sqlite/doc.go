// Package sqlite is the embedded store of a provider: every role's Tx on one SQLite database (pure Go, WAL, synchronous=FULL).
//
// A composer opens it with Open, runs Run and Checkpoints as long as the store is used, and calls Close when both have returned. Check
// reads the whole database; it may run at any time, and a composer runs it now and then.
//
// How it keeps the promise "accepted = durable" (promises.md 1.2 D1):
//   - One goroutine writes (Run). It takes what is waiting, runs the requests in one transaction, commits, and only then answers: one
//     fsync serves the group. No group waits for others to join it, so a lonely request costs one fsync and no delay.
//   - A request that fails is undone alone. A COMMIT that fails fails all of its group.
//   - An I/O error stops the store for good: it accepts nothing more, Run returns, the process ends and starts again from the log. A full
//     disk is not one: its group fails with ErrFull, nothing of it is stored, and the store goes on; Full and Probe tell how it stands.
//   - Cursors follow the clock from each Open on, so that a restored backup gives none again.
//   - Readers see snapshots on connections of their own; checkpoints run on one more, so that no request pays for them.
//   - A file lock beside the database keeps a second process out. A damaged file, another program's, or a newer version's is refused and
//     not written to.
//
// A Tx closure of an Update runs on the writer's goroutine: it must not call the store again, wait for anything, or work for long.
//
// # Work and space of a message
//
// Accepting a message, sending it on, taking it in and handing it to a client each touch a few rows, however much waits and however large
// the room is: only each destination's lane and each inbox gets a short row of its own. A body is stored once per role: in the hub's log, however many lanes it waits in, and in the
// follower's table, however many inboxes point to it. A lane is one row whatever waits in it; a destination that is down costs the
// others nothing.
//
// What is delivered is deleted at once: a log entry with the Advance of the last lane that held it, a body with the last inbox that
// acknowledges it. What stays is what recognises repetitions: about 110 octets per message at the hub for 30 days, about 80 at a follower
// for 90 days, until the roles' sweeps. A message that cannot be delivered stays until it is, or its retention ends. The write-ahead
// log stays below about 64 MB unless a reader holds a snapshot, as Check does; pages that become free are used again, the file does not
// shrink. What is left for good are the names of rooms and clients, a row each.
//
// The hashes by which repetitions are found are random, so each adds about one page of 4 KB to the write-ahead log, which is half of
// all that is written for a message. Everything else shares pages with the rest of its group.
//
// # What it must not do
//
// The schema is keyed by room or by user. It holds no content: MLS messages as they came, public MLS state, names. Errors carry no values
// of rows.
//
// The package must not import another store, HTTP, or a composer, and shares no SQL with another driver (design.md 2.3). engine.go is all
// that knows SQLite's C interface.
package sqlite
