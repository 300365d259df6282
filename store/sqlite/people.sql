-- Addresses and profiles of users, and who may find them.
CREATE TABLE person (
  user TEXT PRIMARY KEY,
  reach TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE fact (
  user TEXT NOT NULL,
  place INTEGER NOT NULL,
  type INTEGER NOT NULL,
  name TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  folded TEXT NOT NULL,
  proof INTEGER NOT NULL,
  since INTEGER NOT NULL,
  reach TEXT NOT NULL,
  PRIMARY KEY (user, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX fact_by_key ON fact(type, name, key);

-- Addresses that wait for a code.
CREATE TABLE pending (
  user TEXT NOT NULL,
  type INTEGER NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  code BLOB NOT NULL,
  sent INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  PRIMARY KEY (user, type, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_by_end ON pending(expires);

-- What became of addresses.
CREATE TABLE change (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  user TEXT NOT NULL,
  type INTEGER NOT NULL,
  key TEXT NOT NULL,
  what INTEGER NOT NULL
) STRICT;
CREATE INDEX change_by_user ON change(user, id);
CREATE INDEX change_by_time ON change(at);
