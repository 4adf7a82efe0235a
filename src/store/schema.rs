//! The tables, drawn with a comment per column, and the steps that lead to them.
//!
//! Owns: every `CREATE`, the number of the schema (`PRAGMA user_version`). Never: rows.
//! Neighbours: `write.rs` fills the tables, `read.rs` reads them, `recover.rs` calls [`migrate`] at open.
//!
//! `inventory.json` says of each column what it is kept for, and how long.
//!
//! Times on the wall are seconds since 1970 (UTC), spans and CLOCK_BOOTTIME are milliseconds, amounts
//! are bytes. A login changes one page each of `entitlement`, `meter`, `voucher`, `device`, `session`
//! and `session_closed`, and with a cloud of `outbox`, its index and its sequence; more indexes would cost
//! flash with every login, so there are none.
//! The rows with the highest ids of `entitlement` and `session` are never deleted, only emptied: ids do not repeat.

use rusqlite::Connection;

use super::vault::Vault;

/// The number of the schema that this program writes.
pub(super) const KNOWN: u32 = STEPS.len() as u32;

/// Step `n` leads from schema `n` to `n + 1`.
const STEPS: &[&str] =
    &[FIRST, COUNTS_AND_OUTAGES, CLOUD, SWEPT_AND_FREE, TRAIL, READING, DAYS, SEALED, TERMS];

/// Schemas from here on have keys of days, and steps from there seal.
pub(super) const WITH_DAYS: u32 = 7;

const FIRST: &str = "
CREATE TABLE meta (
  one     INTEGER PRIMARY KEY CHECK (one = 1), -- there is one row
  floor   INTEGER NOT NULL, -- the latest wall time known to have been reached
  boot    TEXT,             -- the kernel's id of the boot that meter.at belongs to
  copied  INTEGER           -- wall time of the last good copy of this database
) STRICT;

INSERT INTO meta (one, floor) VALUES (1, 0);

CREATE TABLE name (
  id      INTEGER PRIMARY KEY,
  text    TEXT NOT NULL UNIQUE -- name of a plan or of a batch
) STRICT;

CREATE TABLE lot (
  id          INTEGER PRIMARY KEY,
  plan        INTEGER NOT NULL, -- name.id
  batch       INTEGER,          -- name.id
  made        INTEGER NOT NULL, -- wall time at which its vouchers were made
  activate_by INTEGER,          -- wall time until which they have to be begun
  vouchers    INTEGER NOT NULL  -- how many there are
) STRICT;

CREATE INDEX lot_of ON lot (plan, made, batch, activate_by);

CREATE TABLE voucher (
  key         BLOB PRIMARY KEY, -- keyed hash of the code, 16 bytes; the code is kept nowhere
  lot         INTEGER NOT NULL, -- lot.id: what all vouchers made with it have in common
  hint        TEXT NOT NULL,    -- personal: the last 3 characters of the code, for support
  entitlement INTEGER,          -- entitlement.id; null: never redeemed
  revoked     INTEGER NOT NULL  -- 1: withdrawn
) STRICT, WITHOUT ROWID;

CREATE INDEX voucher_withdrawn ON voucher (revoked) WHERE revoked = 1 AND entitlement IS NULL;

CREATE TABLE entitlement (
  id             INTEGER PRIMARY KEY,
  origin         TEXT NOT NULL,    -- how it came to be: voucher, payment, manual, trial, cloud
  code           BLOB,             -- personal: voucher.key
  hint           TEXT NOT NULL,    -- personal: the last 3 characters of the code, for support
  batch          INTEGER,          -- name.id
  opened         INTEGER NOT NULL, -- wall time
  plan           INTEGER NOT NULL, -- name.id; what it promised at the sale follows
  metered        INTEGER,          -- time online
  validity       INTEGER,          -- time from first use
  data_total     INTEGER,          -- both directions together
  data_up        INTEGER,
  data_down      INTEGER,
  rate_up        INTEGER,          -- bits a second
  rate_down      INTEGER,          -- bits a second
  devices        INTEGER NOT NULL, -- how many at the same time
  bound_devices  INTEGER NOT NULL, -- how many ever; 0: no limit
  idle_timeout   INTEGER,
  count_offline  INTEGER NOT NULL, -- 1: metered time goes on while the uplink is down
  ended          TEXT,             -- spent, expired, revoked; null: there is a row in meter
  used           INTEGER,          -- the meters at its end
  validity_left  INTEGER,
  expires        INTEGER,
  bytes_up       INTEGER,
  bytes_down     INTEGER
) STRICT;

CREATE INDEX entitlement_ended ON entitlement (ended) WHERE ended IS NOT NULL AND code IS NOT NULL;

CREATE TABLE meter (
  entitlement   INTEGER PRIMARY KEY, -- entitlement.id, of one that has not ended
  at            INTEGER NOT NULL,    -- CLOCK_BOOTTIME of this reading, in the boot of meta.boot
  used          INTEGER NOT NULL,    -- metered time used
  validity_left INTEGER,
  expires       INTEGER,             -- wall time at which validity ends, once a trusted clock could tell
  bytes_up      INTEGER NOT NULL,
  bytes_down    INTEGER NOT NULL
) STRICT;

CREATE TABLE device (
  entitlement INTEGER NOT NULL, -- entitlement.id, where the plan bounds devices
  mac         BLOB NOT NULL,    -- personal: a device that ever used it, 6 bytes
  PRIMARY KEY (entitlement, mac)
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
  id          INTEGER PRIMARY KEY,
  entitlement INTEGER NOT NULL, -- entitlement.id
  mac         BLOB NOT NULL,    -- personal: the device, 6 bytes
  since       INTEGER NOT NULL, -- personal: wall time at which it opened
  closed      INTEGER,          -- personal: wall time at which it closed; null: open
  why         TEXT              -- why it closed
) STRICT;

CREATE INDEX session_closed ON session (closed);
";

/// A comment amid a column is kept with the table; one outside is lost.
const COUNTS_AND_OUTAGES: &str = "
ALTER TABLE meta ADD COLUMN reached      -- CLOCK_BOOTTIME known to have been reached in that boot
          INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN uplink       -- up, down, unknown
          TEXT NOT NULL DEFAULT 'unknown';
ALTER TABLE meta ADD COLUMN uplink_since -- CLOCK_BOOTTIME, in that boot
          INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN downtime     -- how long it had been down in that boot until then
          INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meter ADD COLUMN downtime    -- how long the uplink had been down in that boot, at this reading
          INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN bytes_up  -- personal: what went up since it opened
          INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN bytes_down -- personal: what came down since
          INTEGER NOT NULL DEFAULT 0;
";

/// Of an open session it was not known before how long it had been so.
const CLOUD: &str = "
ALTER TABLE meta ADD COLUMN device       -- what the cloud calls this database; null: a copy, or not named yet
          TEXT;
ALTER TABLE meta ADD COLUMN issued_day   -- the last day on which a code that proves itself was redeemed, since 1970
          INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN issued_count -- how many were on that day
          INTEGER NOT NULL DEFAULT 0;

ALTER TABLE lot ADD COLUMN kind          -- voucher, payment, account
          TEXT NOT NULL DEFAULT 'voucher';
ALTER TABLE lot ADD COLUMN generation    -- of the feed; null: no rows of it: made here, looked up, taken back
          INTEGER;

DROP INDEX lot_of;
CREATE INDEX lot_of ON lot (plan, made, batch, activate_by, kind, generation);

DROP INDEX entitlement_ended;
CREATE INDEX entitlement_ended ON entitlement (ended, origin) WHERE ended IS NOT NULL AND code IS NOT NULL;

ALTER TABLE voucher ADD COLUMN id        -- the cloud's name of it
          TEXT;

CREATE TABLE proof (
  key   BLOB PRIMARY KEY, -- voucher.key
  phone TEXT,             -- personal: the last 4 digits of the phone that paid
  pin   TEXT              -- personal: argon2id hash of the PIN of an account
) STRICT, WITHOUT ROWID;

CREATE TABLE renewed (
  key BLOB PRIMARY KEY -- voucher.key, of an account that was paid for again since it was redeemed
) STRICT, WITHOUT ROWID;

CREATE TABLE top_up (
  code        BLOB PRIMARY KEY, -- personal: voucher.key, of one that made an entitlement larger that was there
  entitlement INTEGER NOT NULL  -- entitlement.id
) STRICT, WITHOUT ROWID;

CREATE TABLE plan (
  id             TEXT PRIMARY KEY, -- the cloud's plans, by their names; those of the file are not here
  generation     INTEGER NOT NULL, -- of the feed
  title          TEXT NOT NULL,    -- JSON: language tag to text
  price          TEXT NOT NULL,    -- decimal, in major units
  currency       TEXT NOT NULL,
  number         INTEGER,          -- what stands for it in codes that prove themselves
  activate_by    INTEGER,          -- wall time until which it has to be begun
  metered        INTEGER,          -- what it promises, as of entitlement
  validity       INTEGER,
  data_total     INTEGER,
  data_up        INTEGER,
  data_down      INTEGER,
  rate_up        INTEGER,
  rate_down      INTEGER,
  devices        INTEGER NOT NULL,
  bound_devices  INTEGER NOT NULL,
  idle_timeout   INTEGER,
  count_offline  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE feed (
  one        INTEGER PRIMARY KEY CHECK (one = 1), -- there is one row
  at         TEXT,             -- cursor that the next page has to follow; null: the first page is due
  resetting  INTEGER NOT NULL, -- 1: amid a reset, the rows before it are in force
  highest    TEXT,             -- cursor behind which no page leads
  generation INTEGER NOT NULL  -- of the rows that the feed brings now
) STRICT;

INSERT INTO feed (one, resetting, generation) VALUES (1, 0, 0);

CREATE TABLE outbox (
  seq   INTEGER PRIMARY KEY AUTOINCREMENT, -- never given out again
  at    INTEGER NOT NULL, -- wall time at which it became a fact
  event TEXT NOT NULL,    -- personal: the fact as JSON, as it is sent
  usage INTEGER,          -- session.id, where the fact is what it has used so far
  code  BLOB              -- personal: voucher.key, where the fact is that it was redeemed
) STRICT;

CREATE INDEX outbox_usage ON outbox (usage) WHERE usage IS NOT NULL;

CREATE INDEX outbox_code ON outbox (code) WHERE code IS NOT NULL;

CREATE TABLE claim (
  reference BLOB NOT NULL,    -- personal: keyed hash of the reference that a guest says to have paid under
  mac       BLOB NOT NULL,    -- personal: the device, 6 bytes
  since     INTEGER NOT NULL, -- personal: wall time
  awaits    TEXT NOT NULL,    -- what has to come: payment, room, digits; nothing: it is over, and was bridged today
  bridged   INTEGER NOT NULL, -- 1: the guest was let in ahead of the payment
  PRIMARY KEY (reference, mac)
) STRICT, WITHOUT ROWID;

CREATE TABLE serial (
  issuer INTEGER NOT NULL, -- number of the key that issued the codes
  chunk  INTEGER NOT NULL, -- which 2048 of its 65536 serials
  used   BLOB NOT NULL,    -- a bit for each, 256 bytes
  PRIMARY KEY (issuer, chunk)
) STRICT, WITHOUT ROWID;

CREATE TABLE command (
  number INTEGER PRIMARY KEY,
  id     TEXT NOT NULL UNIQUE -- the cloud's name of a command that was carried out
) STRICT;

CREATE TABLE blocked (
  mac BLOB PRIMARY KEY -- personal: a device that the cloud wants kept out, 6 bytes
) STRICT, WITHOUT ROWID;

ALTER TABLE session ADD COLUMN lasted    -- personal: how long it had been open at `at`
          INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN at        -- CLOCK_BOOTTIME, in the boot of meta.boot
          INTEGER NOT NULL DEFAULT 0;

UPDATE session SET at = (SELECT reached FROM meta) WHERE closed IS NULL;
";

/// Nothing is left over from resets before. Who had a trial of late is asked at each start.
const SWEPT_AND_FREE: &str = "
ALTER TABLE feed ADD COLUMN in_force     -- rows of generations before it are no more; they are cleared away later
          INTEGER NOT NULL DEFAULT 0;

CREATE INDEX entitlement_trial ON entitlement (opened) WHERE origin = 'trial';
";

/// Whoever only reads the tables sees whether rows of the trail are missing: `meta` knows where it begins and ends.
const TRAIL: &str = "
CREATE TABLE audit (
  seq    INTEGER PRIMARY KEY, -- grows by one
  at     INTEGER NOT NULL,    -- wall time
  clock  TEXT NOT NULL,       -- trusted, floor
  who    TEXT NOT NULL,       -- an operator by its user and role, command of the cloud, or the gateway
  action TEXT NOT NULL,       -- what was done
  detail TEXT NOT NULL,       -- to what, by numbers of sessions, entitlements and batches
  hash   TEXT NOT NULL        -- SHA-256 over this row and the hash of the one before
) STRICT;

ALTER TABLE meta ADD COLUMN audit_base   -- audit.seq before the first row that is kept
          INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN audit_base_hash -- its hash
          TEXT NOT NULL DEFAULT '0000000000000000000000000000000000000000000000000000000000000000';
ALTER TABLE meta ADD COLUMN audit_end    -- audit.seq of the last row
          INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN audit_end_hash -- its hash
          TEXT NOT NULL DEFAULT '0000000000000000000000000000000000000000000000000000000000000000';
";

/// No reading yet.
const READING: &str = "
ALTER TABLE meta ADD COLUMN reading      -- personal: the meters and open sessions at the last checkpoint, packed (reading.rs)
          BLOB;
";

const DAYS: &str = "
CREATE TABLE day_key (
  day     INTEGER PRIMARY KEY, -- days since 1970; another number where the key of that day cannot be opened
  wrapped BLOB NOT NULL        -- the key of what was sealed on that day, itself sealed (vault.rs)
) STRICT;
";

/// All that is a person's is sealed, and what was plain is to be gone from every file: a copy is due.
const SEALED: &str = "
ALTER TABLE entitlement ADD COLUMN sealed -- personal: sealed, the last 3 characters of the code, for support
          BLOB;
UPDATE entitlement SET sealed = sealed('entitlement.hint', id, hint);
ALTER TABLE entitlement DROP COLUMN hint;
ALTER TABLE entitlement RENAME COLUMN sealed TO hint;

ALTER TABLE voucher ADD COLUMN kept_hint -- personal: sealed, the hint of one that was redeemed
          BLOB;
UPDATE voucher SET kept_hint = sealed('voucher.kept_hint', key, hint), hint = '' WHERE entitlement IS NOT NULL;

ALTER TABLE device RENAME TO plain_device;
CREATE TABLE device (
  entitlement INTEGER NOT NULL, -- entitlement.id, where the plan bounds devices
  mac         BLOB NOT NULL,    -- personal: sealed, a device that ever used it, 6 bytes
  PRIMARY KEY (entitlement, mac)
) STRICT, WITHOUT ROWID;
INSERT INTO device SELECT entitlement, sealed('device.mac', entitlement, mac) FROM plain_device;
DROP TABLE plain_device;

DROP INDEX session_closed;
ALTER TABLE session RENAME TO plain_session;
CREATE TABLE session (
  id          INTEGER PRIMARY KEY,
  entitlement INTEGER NOT NULL, -- entitlement.id
  mac         BLOB NOT NULL,    -- personal: sealed, the device, 6 bytes, and the wall time at which it opened, 8
  forgotten   INTEGER NOT NULL, -- 1: whose it was is forgotten
  closed      INTEGER,          -- personal: wall time at which it closed; null: open
  why         TEXT,             -- why it closed
  bytes_up    INTEGER NOT NULL, -- personal: what went up since it opened
  bytes_down  INTEGER NOT NULL, -- personal: what came down since
  lasted      INTEGER NOT NULL, -- personal: how long it had been open at `at`
  at          INTEGER NOT NULL  -- CLOCK_BOOTTIME, in the boot of meta.boot
) STRICT;
INSERT INTO session SELECT id, entitlement, sealed('session.mac', id, with_time(mac, since)), since = -1, closed, why,
  bytes_up, bytes_down, lasted, at FROM plain_session;
DROP TABLE plain_session;
CREATE INDEX session_closed ON session (closed);

ALTER TABLE proof RENAME TO plain_proof;
CREATE TABLE proof (
  key   BLOB PRIMARY KEY, -- voucher.key
  phone BLOB,             -- personal: sealed, the last 4 digits of the phone that paid
  pin   BLOB              -- personal: sealed, argon2id hash of the PIN of an account
) STRICT, WITHOUT ROWID;
INSERT INTO proof SELECT key, sealed('proof.phone', key, phone), sealed('proof.pin', key, pin) FROM plain_proof;
DROP TABLE plain_proof;

DROP INDEX outbox_usage;
DROP INDEX outbox_code;
ALTER TABLE outbox RENAME TO plain_outbox;
CREATE TABLE outbox (
  seq   INTEGER PRIMARY KEY AUTOINCREMENT, -- never given out again
  at    INTEGER NOT NULL, -- wall time at which it became a fact
  event BLOB NOT NULL,    -- personal: sealed, the fact as JSON, as it is sent
  usage INTEGER,          -- session.id, where the fact is what it has used so far
  code  BLOB              -- personal: voucher.key, where the fact is that it was redeemed
) STRICT;
INSERT INTO outbox SELECT seq, at, sealed('outbox.event', NULL, event), usage, code FROM plain_outbox;
DELETE FROM sqlite_sequence WHERE name = 'outbox';
UPDATE sqlite_sequence SET name = 'outbox' WHERE name = 'plain_outbox';
DROP TABLE plain_outbox;
CREATE INDEX outbox_usage ON outbox (usage) WHERE usage IS NOT NULL;
CREATE INDEX outbox_code ON outbox (code) WHERE code IS NOT NULL;

ALTER TABLE claim RENAME TO plain_claim;
CREATE TABLE claim (
  reference BLOB NOT NULL,    -- personal: keyed hash of the reference that a guest says to have paid under
  mac       BLOB NOT NULL,    -- personal: sealed, the device, 6 bytes, and the wall time, 8
  awaits    TEXT NOT NULL,    -- what has to come: payment, room, digits; nothing: it is over, and was bridged today
  bridged   INTEGER NOT NULL, -- 1: the guest was let in ahead of the payment
  PRIMARY KEY (reference, mac)
) STRICT, WITHOUT ROWID;
INSERT INTO claim
  SELECT reference, sealed('claim.mac', reference, with_time(mac, since)), awaits, bridged FROM plain_claim;
DROP TABLE plain_claim;

ALTER TABLE blocked RENAME TO plain_blocked;
CREATE TABLE blocked (
  mac BLOB PRIMARY KEY -- personal: sealed, a device that the cloud wants kept out, 6 bytes
) STRICT, WITHOUT ROWID;
INSERT INTO blocked SELECT sealed('blocked.mac', NULL, mac) FROM plain_blocked;
DROP TABLE plain_blocked;

UPDATE meta SET copied = -1 WHERE EXISTS (SELECT 1 FROM name) OR EXISTS (SELECT 1 FROM blocked)
  OR EXISTS (SELECT 1 FROM claim);
";

const TERMS: &str = "
ALTER TABLE session ADD COLUMN terms -- personal: sealed, which version the guest accepted, 4 bytes, and the wall time, 8
          BLOB;
ALTER TABLE claim ADD COLUMN terms   -- personal: sealed, the same of a guest who waits
          BLOB;
";

/// What `PRAGMA user_version` says.
pub(super) fn version(conn: &Connection) -> rusqlite::Result<u32> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Whether no table was ever made.
pub(super) fn is_blank(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

/// Leads the tables from schema `from` to the one of this program, all or nothing.
pub(super) fn migrate(conn: &mut Connection, from: u32, vault: &Vault) -> rusqlite::Result<()> {
    let transaction = conn.transaction()?;
    for (schema, step) in STEPS.iter().enumerate().skip(from as usize) {
        if schema >= WITH_DAYS as usize {
            vault.begin(&transaction)?;
        }
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", KNOWN)?;
    transaction.commit()?;
    vault.settled();
    Ok(())
}
