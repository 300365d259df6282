-- Who may contact whom. room is '' for every room; provider is the domain of the other one.
CREATE TABLE consent (
  owner TEXT NOT NULL,
  side INTEGER NOT NULL,
  other TEXT NOT NULL,
  room TEXT NOT NULL,
  provider TEXT NOT NULL,
  standing INTEGER NOT NULL,
  at INTEGER NOT NULL,
  packages BLOB NOT NULL,
  sum BLOB NOT NULL,
  PRIMARY KEY (owner, side, other, room)
) STRICT, WITHOUT ROWID;
CREATE INDEX consent_asked ON consent(provider) WHERE side = 0 AND standing = 1;
CREATE INDEX consent_by_time ON consent(at) WHERE standing = 1;
CREATE TABLE errand (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  destination TEXT NOT NULL, -- '' for the devices of the user
  user TEXT NOT NULL,
  silent INTEGER NOT NULL,
  due INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  octets BLOB NOT NULL
) STRICT;

-- What a hub keeps for abuse reports.
CREATE TABLE hub_key (
  since INTEGER PRIMARY KEY,
  secret BLOB NOT NULL
) STRICT;
CREATE TABLE report (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  caller TEXT NOT NULL,
  room TEXT NOT NULL,
  octets BLOB NOT NULL,
  verdicts BLOB NOT NULL,
  resolved INTEGER NOT NULL,
  outcome TEXT NOT NULL
) STRICT;
CREATE INDEX report_open ON report(caller) WHERE resolved = 0;
CREATE INDEX report_resolved ON report(resolved) WHERE resolved > 0;
CREATE TABLE report_mark (
  mark BLOB PRIMARY KEY,
  report INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX report_mark_by_report ON report_mark(report);
