-- Files of users, and the keys of the gateway through which others fetch them.
CREATE TABLE asset (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  size INTEGER NOT NULL,
  have INTEGER NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX asset_by_owner ON asset(owner, size);
CREATE INDEX asset_by_expiry ON asset(expires);
CREATE TABLE gateway_key (
  place INTEGER PRIMARY KEY,
  id INTEGER NOT NULL,
  since INTEGER NOT NULL,
  secret BLOB NOT NULL
) STRICT;
