"""What the cloud knows, in one SQLite file, and the lock under which it changes.

A row of `op` is the newest word on one thing: a later word takes its place under a higher number. So the live rows in
the order of their numbers are a whole feed, and what is above a number is what changed since.
"""

import contextlib
import json
import secrets
import sqlite3
import threading

SCHEMA = """
CREATE TABLE IF NOT EXISTS site (
  name   TEXT PRIMARY KEY,
  token  TEXT NOT NULL UNIQUE,
  key    BLOB,                        -- site key; null: the gateway made its own and keeps it
  epoch  INTEGER NOT NULL DEFAULT 1,
  oldest INTEGER NOT NULL DEFAULT 0   -- the log is whole from here on
);
CREATE TABLE IF NOT EXISTS store_key (
  site TEXT PRIMARY KEY,
  key  TEXT NOT NULL                  -- hex; what the gateway seals its store under, and does not keep
);
CREATE TABLE IF NOT EXISTS claim (
  claim      TEXT PRIMARY KEY,
  site       TEXT NOT NULL,
  public_key TEXT                     -- of the gateway that used it
);
CREATE TABLE IF NOT EXISTS op (
  seq   INTEGER PRIMARY KEY AUTOINCREMENT,
  site  TEXT NOT NULL,
  kind  TEXT NOT NULL,                -- plan, voucher, payment, account, do
  name  TEXT NOT NULL,                -- what stands in a line of the digest after the kind
  live  INTEGER NOT NULL,             -- 0: deleted
  body  TEXT NOT NULL,                -- JSON
  UNIQUE (site, kind, name)
);
CREATE TABLE IF NOT EXISTS reset (
  site   TEXT NOT NULL,
  cursor INTEGER NOT NULL,            -- a page of the reset under way ended here
  PRIMARY KEY (site, cursor)
);
CREATE TABLE IF NOT EXISTS payment (
  site TEXT NOT NULL,
  reference TEXT NOT NULL,            -- normal form
  body TEXT NOT NULL,                 -- the op that a lookup gets
  PRIMARY KEY (site, reference)
);
CREATE TABLE IF NOT EXISTS phone (
  site TEXT NOT NULL,
  number TEXT NOT NULL,
  plan TEXT NOT NULL,
  code TEXT,                          -- the one-time code that was sent
  PRIMARY KEY (site, number)
);
CREATE TABLE IF NOT EXISTS device (
  site     TEXT NOT NULL,
  name     TEXT NOT NULL,
  acked    INTEGER NOT NULL DEFAULT 0,
  refused  INTEGER,                   -- first number of the batch that was last answered with 409
  repeats  INTEGER NOT NULL DEFAULT 0,
  heard    INTEGER NOT NULL DEFAULT 0,-- counts up; the highest is the gateway that spoke last
  PRIMARY KEY (site, name)
);
CREATE TABLE IF NOT EXISTS event (
  site   TEXT NOT NULL,
  device TEXT NOT NULL,
  seq    INTEGER NOT NULL,
  boot   TEXT NOT NULL,
  type   TEXT NOT NULL,
  body   TEXT NOT NULL,               -- JSON, as it came
  PRIMARY KEY (site, device, seq)
);
CREATE TABLE IF NOT EXISTS trouble (  -- what must not be: another word under a number that was taken, or a hole
  site   TEXT NOT NULL,
  device TEXT NOT NULL,
  seq    INTEGER NOT NULL,
  what   TEXT NOT NULL
);
"""


class Store:
    """The database; `changed` is its lock, and is notified of every change."""

    def __init__(self, path):
        self.changed = threading.Condition(threading.RLock())
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(SCHEMA)

    @contextlib.contextmanager
    def transaction(self, notify=True):
        """All or nothing, one at a time; tells who waits for changes if there may be some."""
        with self.changed:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
            if notify:
                self.changed.notify_all()


def one(db, query, *values):
    """The first row, or None."""
    return db.execute(query, values).fetchone()


def make_site(db, name, key):
    """The site of that name, made with a token of its own if it is new."""
    db.execute(
        "INSERT OR IGNORE INTO site (name, token, key) VALUES (?, ?, ?)", (name, secrets.token_urlsafe(32), key)
    )
    return one(db, "SELECT * FROM site WHERE name = ?", name)


def put(db, site, kind, name, body):
    """The newest word on a thing."""
    _replace(db, site, kind, name, 1, body)


def delete(db, site, kind, name, body):
    """The thing is gone; false if there was none. `body` tells the gateway."""
    there = one(db, "SELECT 1 FROM op WHERE site = ? AND kind = ? AND name = ? AND live", site, kind, name)
    if there:
        _replace(db, site, kind, name, 0, body)
    return there is not None


def _replace(db, site, kind, name, live, body):
    db.execute("DELETE FROM op WHERE site = ? AND kind = ? AND name = ?", (site, kind, name))
    db.execute(
        "INSERT INTO op (site, kind, name, live, body) VALUES (?, ?, ?, ?, ?)",
        (site, kind, name, live, json.dumps(body, ensure_ascii=False, separators=(",", ":"))),
    )
