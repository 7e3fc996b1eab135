"""The node's tables, as a list of migrations: entry n brings a store from version n to n + 1.

Times are milliseconds since the Unix epoch. Ids, digests and keys are raw bytes. `alert.number` is the local order in
which the node came to hold alerts, of both directions, and the row id of the search index.

The evidence for a received alert stands in its row: its log entry, without the header, which stands there too and
belongs at byte `header_at` (NULL: the entry is whole); its path; and the signed checkpoint of that `size`: `noted` is
the number of the alert that has its `note`, the first of those that came with it.

`receipt` has no index: it holds what the hub has not answered, a few dozen rows. The numbers of events never come
again, for the newest event is never deleted.
"""

from __future__ import annotations

_FIRST = """
CREATE TABLE held (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE alert (
  number INTEGER PRIMARY KEY,
  direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
  id BLOB NOT NULL CHECK (length(id) = 16),
  sender TEXT NOT NULL,
  officer TEXT,
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  marking TEXT NOT NULL,
  status TEXT NOT NULL,
  precedence TEXT NOT NULL,
  rank INTEGER NOT NULL,
  operation TEXT,
  address TEXT NOT NULL,
  composed INTEGER NOT NULL,
  received INTEGER NOT NULL,
  expires INTEGER,
  relation TEXT,
  related BLOB,
  state TEXT NOT NULL,
  log_index INTEGER,
  leaf BLOB,
  recalled_by BLOB,
  corrected_by BLOB,
  code TEXT,
  message TEXT,
  hint TEXT,
  document BLOB NOT NULL,
  header BLOB,
  signature BLOB,
  UNIQUE (direction, id)
);
CREATE INDEX alert_waiting ON alert (rank, number) WHERE direction = 'out' AND state = 'waiting';
CREATE INDEX alert_unread ON alert (number) WHERE direction = 'in' AND state = 'unread';
CREATE INDEX alert_related ON alert (related) WHERE related IS NOT NULL;
CREATE INDEX alert_suffix ON alert (substr(lower(hex(id)), -8));
CREATE VIRTUAL TABLE search USING fts5 (text, content = '', tokenize = 'unicode61 remove_diacritics 2');

CREATE TABLE proof (
  number INTEGER PRIMARY KEY REFERENCES alert (number) ON DELETE CASCADE,
  entry BLOB NOT NULL,
  size INTEGER NOT NULL,
  path BLOB NOT NULL,
  note BLOB NOT NULL
);

CREATE TABLE outgoing (
  number INTEGER PRIMARY KEY REFERENCES alert (number) ON DELETE CASCADE,
  body BLOB,
  sealed INTEGER,
  directory INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE delivery (
  number INTEGER NOT NULL REFERENCES alert (number) ON DELETE CASCADE,
  agency TEXT NOT NULL,
  state TEXT NOT NULL,
  time INTEGER NOT NULL,
  code TEXT,
  officer TEXT,
  PRIMARY KEY (number, agency)
) WITHOUT ROWID;

CREATE INDEX delivery_open ON delivery (number) WHERE state = 'accepted';

CREATE TABLE pair (
  opener_id BLOB PRIMARY KEY CHECK (length(opener_id) = 16),
  recipient TEXT NOT NULL,
  secret BLOB NOT NULL,
  opener BLOB NOT NULL,
  sealing_key BLOB NOT NULL,
  signing_key BLOB NOT NULL,
  created INTEGER NOT NULL,
  uses INTEGER NOT NULL DEFAULT 0,
  known INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX pair_newest ON pair (recipient, created);

CREATE TABLE opener (
  opener_id BLOB PRIMARY KEY CHECK (length(opener_id) = 16),
  sender TEXT NOT NULL,
  sender_key BLOB NOT NULL,
  secret BLOB NOT NULL,
  learned INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE directory (
  version INTEGER PRIMARY KEY,
  log_index INTEGER NOT NULL,
  entry BLOB NOT NULL,
  bundle BLOB NOT NULL
);

CREATE TABLE receipt (
  ref BLOB PRIMARY KEY CHECK (length(ref) = 16),
  made INTEGER NOT NULL,
  receipt BLOB NOT NULL,
  signature BLOB NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX receipt_made ON receipt (made);

CREATE TABLE event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  time INTEGER NOT NULL,
  type TEXT NOT NULL,
  data BLOB NOT NULL
);
CREATE TABLE alarm (
  code TEXT PRIMARY KEY,
  message TEXT NOT NULL,
  hint TEXT NOT NULL,
  time INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE quarantine (
  number INTEGER PRIMARY KEY,
  log_index INTEGER NOT NULL UNIQUE,
  id BLOB,
  sender TEXT,
  code TEXT NOT NULL,
  step INTEGER,
  message TEXT NOT NULL,
  time INTEGER NOT NULL,
  entry BLOB NOT NULL,
  body BLOB NOT NULL
);

CREATE TABLE handler (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE job (
  number INTEGER PRIMARY KEY,
  handler TEXT NOT NULL,
  alert BLOB NOT NULL,
  event INTEGER NOT NULL,
  dead INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  time INTEGER NOT NULL,
  UNIQUE (handler, event)
);
CREATE INDEX job_due ON job (not_before) WHERE dead = 0;

CREATE TABLE attachment (
  digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
  size INTEGER NOT NULL,
  stored INTEGER NOT NULL,
  complete INTEGER NOT NULL,
  uploaded INTEGER NOT NULL DEFAULT 0,
  time INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE attachment_part (
  digest BLOB NOT NULL REFERENCES attachment (digest) ON DELETE CASCADE ON UPDATE CASCADE,
  start INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (digest, start)
);
"""

_SECOND = """
CREATE TABLE resealed (
  number INTEGER PRIMARY KEY REFERENCES alert (number) ON DELETE CASCADE,
  told TEXT NOT NULL,
  directory INTEGER NOT NULL,
  time INTEGER NOT NULL
);
"""

_THIRD = """
ALTER TABLE delivery ADD COLUMN escalated INTEGER;
ALTER TABLE delivery ADD COLUMN outcome TEXT;
ALTER TABLE delivery ADD COLUMN contact TEXT;
ALTER TABLE delivery ADD COLUMN overdue INTEGER;
ALTER TABLE outgoing ADD COLUMN delays INTEGER NOT NULL DEFAULT 0;
DROP INDEX delivery_open;
CREATE INDEX delivery_open ON delivery (number) WHERE state IN ('waiting', 'accepted', 'escalated');
CREATE INDEX alert_logged ON alert (log_index) WHERE direction = 'out' AND log_index IS NOT NULL;
"""

_FOURTH = """
ALTER TABLE outgoing ADD COLUMN exported INTEGER;
ALTER TABLE outgoing ADD COLUMN carried BLOB;
"""

_FIFTH = """
ALTER TABLE outgoing ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outgoing_size ON outgoing (size);
"""

_SIXTH = """
CREATE TABLE checkpoint (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  size BLOB NOT NULL CHECK (length(size) = 8),
  root BLOB NOT NULL CHECK (length(root) = 32),
  note BLOB NOT NULL
);
INSERT INTO checkpoint (one, size, root, note) SELECT 1, size.value, root.value, note.value
  FROM held AS size, held AS root, held AS note
  WHERE size.name = 'checkpoint-size' AND root.name = 'checkpoint-root' AND note.name = 'checkpoint-note';
DELETE FROM held WHERE name IN ('checkpoint-size', 'checkpoint-root', 'checkpoint-note');
CREATE TABLE note (size INTEGER PRIMARY KEY, note BLOB NOT NULL);
INSERT OR IGNORE INTO note (size, note) SELECT size, note FROM proof;
ALTER TABLE proof DROP COLUMN note;
ALTER TABLE proof ADD COLUMN header_at INTEGER;
"""

_SEVENTH = """
CREATE TABLE recipients (
  number INTEGER PRIMARY KEY REFERENCES alert (number) ON DELETE CASCADE,
  agencies TEXT NOT NULL,
  states TEXT NOT NULL,
  times BLOB NOT NULL,
  more TEXT
);
INSERT INTO recipients (number, agencies, states, times, more)
  SELECT number, group_concat(agency, ',' ORDER BY agency),
    group_concat(CASE state WHEN 'expired' THEN 'x' WHEN 'recalled' THEN 'c' WHEN 'refused' THEN 'f'
      WHEN 'actioned' THEN 'd' WHEN 'withdrawn' THEN 't' ELSE substr(state, 1, 1) END, '' ORDER BY agency),
    unhex(group_concat(printf('%012x', time), '' ORDER BY agency)),
    json_group_object(agency, json_object('code', code, 'officer', officer, 'escalated', escalated,
      'outcome', outcome, 'contact', contact, 'overdue', overdue))
  FROM delivery GROUP BY number;
DROP TABLE delivery;
ALTER TABLE recipients RENAME TO delivery;
CREATE INDEX delivery_open ON delivery (number) WHERE states GLOB '*[wae]*';
"""

_EIGHTH = """
CREATE INDEX outgoing_due ON outgoing (not_before) WHERE not_before > 0;
"""

_NINTH = """
ALTER TABLE delivery ADD COLUMN flash INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN expires INTEGER;
UPDATE delivery SET
  flash = (SELECT precedence = 'flash' FROM alert WHERE alert.number = delivery.number),
  expires = (SELECT expires FROM alert WHERE alert.number = delivery.number);
DROP INDEX delivery_open;
CREATE INDEX delivery_flash ON delivery (number) WHERE flash = 1 AND states GLOB '*[wae]*';
CREATE INDEX delivery_ends ON delivery (expires) WHERE states GLOB '*[ae]*';
"""
# These two are looked at every second. `flash` and `expires` are the alert's, beside its recipients, so that the look
# costs what there is to do, not what is under way: one agency that is away leaves every alert to it open.

_TENTH = """
CREATE TABLE first (size INTEGER PRIMARY KEY, number INTEGER NOT NULL);
INSERT INTO first (size, number) SELECT size, min(number) FROM proof GROUP BY size;
ALTER TABLE alert ADD COLUMN entry BLOB;
ALTER TABLE alert ADD COLUMN header_at INTEGER;
ALTER TABLE alert ADD COLUMN size INTEGER;
ALTER TABLE alert ADD COLUMN path BLOB;
ALTER TABLE alert ADD COLUMN noted INTEGER;
ALTER TABLE alert ADD COLUMN note BLOB;
UPDATE alert SET (entry, header_at, size, path, noted, note) = (
  SELECT proof.entry, proof.header_at, proof.size, proof.path, first.number,
    CASE first.number WHEN proof.number THEN note.note END
  FROM proof JOIN first USING (size) JOIN note USING (size) WHERE proof.number = alert.number)
  WHERE direction = 'in';
DROP TABLE proof;
DROP TABLE note;
DROP TABLE first;
DROP INDEX alert_suffix;

CREATE TABLE unanswered (
  number INTEGER PRIMARY KEY,
  ref BLOB NOT NULL CHECK (length(ref) = 16),
  made INTEGER NOT NULL,
  receipt BLOB NOT NULL,
  signature BLOB NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER NOT NULL DEFAULT 0
);
INSERT INTO unanswered (ref, made, receipt, signature, attempts, not_before)
  SELECT ref, made, receipt, signature, attempts, not_before FROM receipt ORDER BY made, ref;
DROP TABLE receipt;
ALTER TABLE unanswered RENAME TO receipt;

CREATE TABLE journal (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, type TEXT NOT NULL, data BLOB NOT NULL);
INSERT INTO journal (seq, time, type, data) SELECT seq, time, type, data FROM event;
INSERT OR IGNORE INTO journal (seq, time, type, data)
  SELECT seq, unixepoch() * 1000, 'link', x'81A9636F6E6E6563746564C2' FROM sqlite_sequence WHERE name = 'event';
DROP TABLE event;
ALTER TABLE journal RENAME TO event;
"""
# The one event that may be new is "the link is down", which it is: it has the last number that was ever given, if the
# event of that number was deleted.

MIGRATIONS: tuple[str, ...] = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH, _SIXTH, _SEVENTH, _EIGHTH, _NINTH, _TENTH)
