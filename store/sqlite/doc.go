// Package sqlite is the embedded store of a provider: every role's Tx on one SQLite database (pure Go, WAL, synchronous=FULL).
//
// How it keeps the promise "accepted = durable" (promises.md 1.2 D1):
//   - One goroutine writes (Run). It takes what is waiting, runs the requests in one transaction, commits, and only
//     then answers: one fsync serves the group.
//   - A request that fails is rolled back alone. A COMMIT that fails fails all of its group.
//   - An I/O error stops the store for good: it accepts nothing more, Run returns, the process ends and starts again from the log.
//   - Readers see snapshots on connections of their own; checkpoints run on one more, so that no request pays for them.
//   - A file lock beside the database keeps a second process out.
//
// A Tx closure runs on the writer's goroutine: it must not call the store again, wait for anything, or work for long.
//
// The schema is keyed by room or by user. It holds no content: MLS messages as they came, public MLS state, names.
//
// The package must not import another store, HTTP, or a composer, and shares no SQL with another driver (design.md 2.3).
package sqlite
