CREATE TABLE meta (
  one     INTEGER PRIMARY KEY CHECK (one = 1), -- there is one row
  floor   INTEGER NOT NULL, -- the latest wall time known to have been reached
  boot    TEXT,             -- the kernel's id of the boot that meter.at belongs to
  copied  INTEGER           -- wall time of the last good copy of this database
, reached      -- CLOCK_BOOTTIME known to have been reached in that boot
          INTEGER NOT NULL DEFAULT 0, uplink       -- up, down, unknown
          TEXT NOT NULL DEFAULT 'unknown', uplink_since -- CLOCK_BOOTTIME, in that boot
          INTEGER NOT NULL DEFAULT 0, downtime     -- how long it had been down in that boot until then
          INTEGER NOT NULL DEFAULT 0) STRICT;

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
, downtime    -- how long the uplink had been down in that boot, at this reading
          INTEGER NOT NULL DEFAULT 0) STRICT;

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
, bytes_up  -- personal: what went up since it opened
          INTEGER NOT NULL DEFAULT 0, bytes_down -- personal: what came down since
          INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE INDEX session_closed ON session (closed);

PRAGMA user_version = 2;
