-- Version 1. Times are milliseconds since 1970, 0 for none; "octets" columns are encoded structures that came from outside or from a role.
-- Tables that could be large have no columns that only an operator would read.

-- Names, see names.go.
CREATE TABLE room (
  id INTEGER PRIMARY KEY,
  uri TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE client (
  id INTEGER PRIMARY KEY,
  uri TEXT NOT NULL UNIQUE
) STRICT;

-- Numbers that are reserved in blocks, see block.go.
CREATE TABLE counter (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counter VALUES ('delivery', 0);

-- The hub. head changes with every message, so its rows are short and many share a page; what changes with a commit is in head_group.
-- appended is the sequence of the last entry in the room's log. version 0: the room has a log and nothing else.
CREATE TABLE head (
  room INTEGER PRIMARY KEY,
  version INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  appended INTEGER NOT NULL
) STRICT;
CREATE TABLE head_group (
  room INTEGER PRIMARY KEY,
  group_id BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  epoch_at INTEGER NOT NULL,
  destinations TEXT NOT NULL -- domains with a space between
) STRICT;
CREATE TABLE record (
  id INTEGER PRIMARY KEY,
  room INTEGER NOT NULL,
  key BLOB NOT NULL,
  octets BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX record_by_key ON record(room, key);

-- What waits in lanes, once however many lanes it waits in, in the order of arrival over all rooms: so one page takes several messages,
-- whatever rooms they are in. A place is the room's number * 2^32 + the sequence, see place.go.
CREATE TABLE log (
  id INTEGER PRIMARY KEY,
  place INTEGER NOT NULL UNIQUE,
  handshake INTEGER NOT NULL,
  octets BLOB NOT NULL
) STRICT;

-- A lane holds the log's entries from first to newest, except those in its gaps. The batch reaches from first to last.
CREATE TABLE lane (
  room INTEGER NOT NULL,
  destination TEXT NOT NULL,
  uri TEXT NOT NULL, -- of the room: lanes are served in the order of names
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  newest INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  refusals INTEGER NOT NULL,
  next INTEGER NOT NULL,
  since INTEGER NOT NULL,
  parked INTEGER NOT NULL,
  gaps INTEGER NOT NULL, -- 1 when lane_gap may have rows for this lane
  PRIMARY KEY (room, destination)
) STRICT, WITHOUT ROWID;
CREATE INDEX lane_due ON lane(destination, next, uri) WHERE parked = 0;
CREATE TABLE lane_gap (
  room INTEGER NOT NULL,
  destination TEXT NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (room, destination, first)
) STRICT, WITHOUT ROWID;

-- What was taken out of a lane. It waits for an operator, with its octets: nobody else has them any more.
CREATE TABLE parked (
  room INTEGER NOT NULL,
  destination TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  reason TEXT NOT NULL,
  at INTEGER NOT NULL,
  handshake INTEGER NOT NULL,
  octets BLOB NOT NULL,
  PRIMARY KEY (room, destination, sequence)
) STRICT;

-- What is recognised by a hash and forgotten after a time, see expiring.go. due is the time * 2^20 + a number that tells records of one
-- millisecond apart, so that the table itself is ordered by what is forgotten next.
CREATE TABLE hub_answer (
  due INTEGER PRIMARY KEY,
  prefix INTEGER NOT NULL, -- first 8 octets of the request's hash
  rest BLOB NOT NULL,
  octets BLOB NOT NULL
) STRICT;
CREATE INDEX hub_answer_by_hash ON hub_answer(prefix);
CREATE TABLE claim_answer (
  due INTEGER PRIMARY KEY,
  prefix INTEGER NOT NULL,
  rest BLOB NOT NULL,
  octets BLOB NOT NULL
) STRICT;
CREATE INDEX claim_answer_by_hash ON claim_answer(prefix);
CREATE TABLE seen (
  due INTEGER PRIMARY KEY,
  room INTEGER NOT NULL,
  prefix INTEGER NOT NULL,
  rest BLOB NOT NULL
) STRICT;
CREATE INDEX seen_by_hash ON seen(prefix, room);

-- The follower and the inboxes. A body's number is its place in every inbox that points to it, and uses is how many do.
CREATE TABLE member (
  room INTEGER NOT NULL,
  client INTEGER NOT NULL,
  PRIMARY KEY (room, client)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_by_client ON member(client);
CREATE TABLE body (
  id INTEGER PRIMARY KEY,
  uses INTEGER NOT NULL,
  room INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  octets BLOB NOT NULL
) STRICT;
CREATE INDEX body_by_time ON body(timestamp);
CREATE TABLE inbox (
  client INTEGER PRIMARY KEY,
  acked INTEGER NOT NULL -- the cursor up to which the client has everything
) STRICT;
CREATE TABLE entry (
  client INTEGER NOT NULL,
  body INTEGER NOT NULL,
  PRIMARY KEY (client, body)
) STRICT, WITHOUT ROWID;

-- KeyPackages, in the order of publishing.
CREATE TABLE package (
  id INTEGER PRIMARY KEY,
  ref BLOB NOT NULL UNIQUE,
  client INTEGER NOT NULL,
  suite INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL,
  taken INTEGER NOT NULL,
  octets BLOB NOT NULL
) STRICT;
CREATE INDEX package_stock ON package(client, suite, id, not_before, not_after) WHERE taken = 0;
CREATE INDEX package_by_client ON package(client);
CREATE INDEX package_by_end ON package(not_after);

-- Accounts and pinned authorities.
CREATE TABLE user (
  uri TEXT PRIMARY KEY,
  created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE code (
  hash BLOB PRIMARY KEY,
  user TEXT NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX code_by_end ON code(expires);
CREATE TABLE device (
  client TEXT PRIMARY KEY,
  user TEXT NOT NULL,
  token BLOB NOT NULL,
  created INTEGER NOT NULL,
  revoked INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX device_by_user ON device(user, client);
CREATE INDEX device_by_token ON device(token);
CREATE TABLE pin (
  provider TEXT PRIMARY KEY,
  since INTEGER NOT NULL,
  certificates BLOB NOT NULL,
  pending BLOB NOT NULL
) STRICT, WITHOUT ROWID;
