CREATE TABLE meta (
  one     INTEGER PRIMARY KEY CHECK (one = 1), -- there is one row
  floor   INTEGER NOT NULL, -- the latest wall time known to have been reached
  boot    TEXT,             -- the kernel's id of the boot that meter.at belongs to
  copied  INTEGER           -- wall time of the last good copy of this database
, reached      -- CLOCK_BOOTTIME known to have been reached in that boot
          INTEGER NOT NULL DEFAULT 0, uplink       -- up, down, unknown
          TEXT NOT NULL DEFAULT 'unknown', uplink_since -- CLOCK_BOOTTIME, in that boot
          INTEGER NOT NULL DEFAULT 0, downtime     -- how long it had been down in that boot until then
          INTEGER NOT NULL DEFAULT 0, device       -- what the cloud calls this database; null: a copy, or not named yet
          TEXT, issued_day   -- the last day on which a code that proves itself was redeemed, since 1970
          INTEGER NOT NULL DEFAULT 0, issued_count -- how many were on that day
          INTEGER NOT NULL DEFAULT 0, audit_base   -- audit.seq before the first row that is kept
          INTEGER NOT NULL DEFAULT 0, audit_base_hash -- its hash
          TEXT NOT NULL DEFAULT '0000000000000000000000000000000000000000000000000000000000000000', audit_end    -- audit.seq of the last row
          INTEGER NOT NULL DEFAULT 0, audit_end_hash -- its hash
          TEXT NOT NULL DEFAULT '0000000000000000000000000000000000000000000000000000000000000000', reading      -- personal: the meters and open sessions at the last checkpoint, packed (reading.rs)
          BLOB) STRICT;

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
, kind          -- voucher, payment, account
          TEXT NOT NULL DEFAULT 'voucher', generation    -- of the feed; null: no rows of it: made here, looked up, taken back
          INTEGER) STRICT;

CREATE TABLE voucher (
  key         BLOB PRIMARY KEY, -- keyed hash of the code, 16 bytes; the code is kept nowhere
  lot         INTEGER NOT NULL, -- lot.id: what all vouchers made with it have in common
  hint        TEXT NOT NULL,    -- personal: the last 3 characters of the code, for support
  entitlement INTEGER,          -- entitlement.id; null: never redeemed
  revoked     INTEGER NOT NULL  -- 1: withdrawn
, id        -- the cloud's name of it
          TEXT, kept_hint -- personal: sealed, the hint of one that was redeemed
          BLOB) STRICT, WITHOUT ROWID;

CREATE INDEX voucher_withdrawn ON voucher (revoked) WHERE revoked = 1 AND entitlement IS NULL;

CREATE TABLE entitlement (
  id             INTEGER PRIMARY KEY,
  origin         TEXT NOT NULL,    -- how it came to be: voucher, payment, manual, trial, cloud
  code           BLOB,             -- personal: voucher.key
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
, hint -- personal: sealed, the last 3 characters of the code, for support
          BLOB) STRICT;

CREATE TABLE meter (
  entitlement   INTEGER PRIMARY KEY, -- entitlement.id, of one that has not ended
  at            INTEGER NOT NULL,    -- CLOCK_BOOTTIME of this reading, in the boot of meta.boot
  used          INTEGER NOT NULL,    -- metered time used
  validity_left INTEGER,
  expires       INTEGER,             -- wall time at which validity ends, once a trusted clock could tell
  bytes_up      INTEGER NOT NULL,
  bytes_down    INTEGER NOT NULL
, downtime    -- how long the uplink had been down in that boot, at this reading
          INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE INDEX lot_of ON lot (plan, made, batch, activate_by, kind, generation);

CREATE INDEX entitlement_ended ON entitlement (ended, origin) WHERE ended IS NOT NULL AND code IS NOT NULL;

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
, in_force     -- rows of generations before it are no more; they are cleared away later
          INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE sqlite_sequence(name,seq);

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

CREATE INDEX entitlement_trial ON entitlement (opened) WHERE origin = 'trial';

CREATE TABLE audit (
  seq    INTEGER PRIMARY KEY, -- grows by one
  at     INTEGER NOT NULL,    -- wall time
  clock  TEXT NOT NULL,       -- trusted, floor
  who    TEXT NOT NULL,       -- an operator by its user and role, command of the cloud, or the gateway
  action TEXT NOT NULL,       -- what was done
  detail TEXT NOT NULL,       -- to what, by numbers of sessions, entitlements and batches
  hash   TEXT NOT NULL        -- SHA-256 over this row and the hash of the one before
) STRICT;

CREATE TABLE day_key (
  day     INTEGER PRIMARY KEY, -- days since 1970; another number where the key of that day cannot be opened
  wrapped BLOB NOT NULL        -- the key of what was sealed on that day, itself sealed (vault.rs)
) STRICT;

CREATE TABLE device (
  entitlement INTEGER NOT NULL, -- entitlement.id, where the plan bounds devices
  mac         BLOB NOT NULL,    -- personal: sealed, a device that ever used it, 6 bytes
  PRIMARY KEY (entitlement, mac)
) STRICT, WITHOUT ROWID;

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
, terms -- personal: sealed, which version the guest accepted, 4 bytes, and the wall time, 8
          BLOB) STRICT;

CREATE INDEX session_closed ON session (closed);

CREATE TABLE proof (
  key   BLOB PRIMARY KEY, -- voucher.key
  phone BLOB,             -- personal: sealed, the last 4 digits of the phone that paid
  pin   BLOB              -- personal: sealed, argon2id hash of the PIN of an account
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
  seq   INTEGER PRIMARY KEY AUTOINCREMENT, -- never given out again
  at    INTEGER NOT NULL, -- wall time at which it became a fact
  event BLOB NOT NULL,    -- personal: sealed, the fact as JSON, as it is sent
  usage INTEGER,          -- session.id, where the fact is what it has used so far
  code  BLOB              -- personal: voucher.key, where the fact is that it was redeemed
) STRICT;

CREATE INDEX outbox_usage ON outbox (usage) WHERE usage IS NOT NULL;

CREATE INDEX outbox_code ON outbox (code) WHERE code IS NOT NULL;

CREATE TABLE claim (
  reference BLOB NOT NULL,    -- personal: keyed hash of the reference that a guest says to have paid under
  mac       BLOB NOT NULL,    -- personal: sealed, the device, 6 bytes, and the wall time, 8
  awaits    TEXT NOT NULL,    -- what has to come: payment, room, digits; nothing: it is over, and was bridged today
  bridged   INTEGER NOT NULL, terms   -- personal: sealed, the same of a guest who waits
          BLOB, -- 1: the guest was let in ahead of the payment
  PRIMARY KEY (reference, mac)
) STRICT, WITHOUT ROWID;

CREATE TABLE blocked (
  mac BLOB PRIMARY KEY -- personal: sealed, a device that the cloud wants kept out, 6 bytes
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 9;
