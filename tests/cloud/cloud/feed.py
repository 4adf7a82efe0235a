"""The way down: pages of the feed, and what a lookup gets."""

import json
import secrets
import time

from . import codes
from .store import one

DAY = 86_400


class Gone(Exception):
    """The cursor is one that this log cannot go on from."""


def stamp(seconds=0):
    """Now, and so many seconds later, as RFC 3339."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def head(db, site):
    """The newest cursor."""
    last = one(db, "SELECT seq FROM sqlite_sequence WHERE name = 'op'")
    return f"{site['epoch']}.{last[0] if last else 0}"


def page(db, site, since, settings):
    """The page that follows `since`, a cursor; "" at the start."""
    name, (_, newest) = site["name"], _split(head(db, site))
    start, full = _start(db, site, since, newest)
    if start == 0:
        db.execute("DELETE FROM reset WHERE site = ?", (name,))
    # A whole feed has no use for deletions, but for those of rows that its own earlier pages held.
    # The plus keeps SQLite from sorting all rows of the site for each page.
    query = "SELECT seq, body FROM op WHERE +site = ? AND seq > ? AND (live OR ?) ORDER BY seq"
    ops, cursor, size, more = [], newest, 0, False
    for seq, body in db.execute(query, (name, start, not full or start > 0)):
        if ops and size + len(body) > settings["page_bytes"]:
            more = True
            break
        ops.append(json.loads(body))
        size += len(body.encode()) + 1
        cursor = seq
    cursor = cursor if more else newest
    if full and more:
        db.execute("INSERT OR IGNORE INTO reset VALUES (?, ?)", (name, cursor))
    answer = {
        "site": name,
        "since": since,
        "full": full,
        "not_after": stamp(30 * DAY),
        "ops": ops,
        "cursor": f"{site['epoch']}.{cursor}",
        "more": more,
    }
    if not more and site["key"] is not None:
        answer["digest"] = codes.digest(_lines(db, name))
    acked = one(db, "SELECT acked FROM device WHERE site = ? ORDER BY heard DESC", name)
    return answer | {"acked": acked[0] if acked else 0, "min_wait_s": settings["min_wait_s"], "time": stamp()}


def lookup(db, site, asked):
    """The ops that answer a guest's reference, or phone, or phone with its one-time code; None: not known."""
    name = site["name"]
    if "reference" in asked:
        found = one(
            db,
            "SELECT body FROM payment WHERE site = ? AND reference = ?",
            name,
            codes.normal("payment", asked["reference"]),
        )
        return [json.loads(found["body"])] if found else None
    phone = one(db, "SELECT * FROM phone WHERE site = ? AND number = ?", name, asked["phone"])
    if phone is None:
        return None
    if "otp" not in asked:
        code = f"{secrets.randbelow(10**6):06}"
        db.execute("UPDATE phone SET code = ? WHERE site = ? AND number = ?", (code, name, asked["phone"]))
        return []
    if phone["code"] is None or not secrets.compare_digest(phone["code"], asked["otp"]):
        return None
    db.execute("UPDATE phone SET code = NULL WHERE site = ? AND number = ?", (name, asked["phone"]))
    command = f"c-otp-{secrets.token_hex(6)}"
    return [{"op": "do", "id": command, "command": "grant", "mac": asked["mac"], "plan": phone["plan"]}]


def _start(db, site, since, newest):
    """Where the page begins, and whether it is part of a reset."""
    if since == "":
        return 0, True
    epoch, seq = _split(since)
    if epoch < site["epoch"]:
        return 0, True
    in_reset = one(db, "SELECT 1 FROM reset WHERE site = ? AND cursor = ?", site["name"], seq) is not None
    if epoch > site["epoch"] or seq > newest or (seq < site["oldest"] and not in_reset):
        raise Gone
    return seq, in_reset


def _lines(db, site):
    rows = db.execute("SELECT kind, name FROM op WHERE site = ? AND live AND kind <> 'do'", (site,))
    return [f"{kind}:{name}" for kind, name in rows]


def _split(cursor):
    epoch, seq = cursor.split(".")
    return int(epoch), int(seq)
