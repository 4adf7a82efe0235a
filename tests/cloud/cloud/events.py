"""The way up: facts, each kept once under its number, and acknowledged.

Numbers only grow, but a full outbox drops intermediate `usage`, so there may be holes. A hole between two batches is
first answered with 409, in case a batch was lost; a gateway that then begins at the same number again has nothing
before it. Every hole is noted, and so is a number that comes back with another fact, and a row of the trail that is not
bound to the one before.
"""

import json

from . import codes
from .store import one


def take(db, site, batch):
    """Keeps a batch; the status to answer with, and up to which number everything is here."""
    name, device, facts = site["name"], batch["device"], batch["events"]
    db.execute("INSERT OR IGNORE INTO device (site, name) VALUES (?, ?)", (name, device))
    _update(db, name, device, "heard = (SELECT max(heard) + 1 FROM device)")
    known = one(db, "SELECT acked, refused FROM device WHERE site = ? AND name = ?", name, device)
    acked = known["acked"]
    if facts and facts[0]["seq"] > acked + 1 and known["refused"] != facts[0]["seq"]:
        _update(db, name, device, "refused = ?", facts[0]["seq"])
        return 409, acked
    for fact in facts:
        if fact["seq"] <= acked:
            _repeated(db, name, device, fact)
            continue
        if fact["seq"] > acked + 1:
            _note(db, name, device, fact["seq"], f"hole from {acked + 1}")
        acked = fact["seq"]
        if fact["type"] == "audit":
            _followed(db, name, device, fact)
        values = (name, device, acked, batch["boot"], fact["type"], _text(fact))
        db.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", values)
        if fact["type"] == "done":
            db.execute("DELETE FROM op WHERE site = ? AND kind = 'do' AND name = ?", (name, fact.get("command")))
    _update(db, name, device, "acked = ?, refused = NULL", acked)
    return 200, acked


def _followed(db, site, device, fact):
    query = "SELECT body FROM event WHERE site = ? AND device = ? AND type = 'audit' ORDER BY seq DESC LIMIT 1"
    last = one(db, query, site, device)
    if last is None:
        return
    last = json.loads(last["body"])
    # There are rows that no cloud is told of: while none was configured.
    if fact["row"] <= last["row"]:
        _note(db, site, device, fact["seq"], "row of the trail that was there before")
    elif fact["row"] == last["row"] + 1 and fact["hash"] != codes.bound(last["hash"], fact):
        _note(db, site, device, fact["seq"], "row of the trail that is not bound to the one before")


def _repeated(db, site, device, fact):
    _update(db, site, device, "repeats = repeats + 1")
    kept = one(db, "SELECT body FROM event WHERE site = ? AND device = ? AND seq = ?", site, device, fact["seq"])
    if kept is None:
        _note(db, site, device, fact["seq"], "came after what follows it")
    elif json.loads(kept["body"]) | _unnamed != fact | _unnamed:
        _note(db, site, device, fact["seq"], "came again with another fact")


# Whoever was forgotten since it was sent is told of under an alias.
_unnamed = {"mac": None}


def _update(db, site, device, change, *values):
    db.execute(f"UPDATE device SET {change} WHERE site = ? AND name = ?", (*values, site, device))


def _note(db, site, device, seq, what):
    db.execute("INSERT INTO trouble VALUES (?, ?, ?, ?)", (site, device, seq, what))


def _text(fact):
    return json.dumps(fact, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
