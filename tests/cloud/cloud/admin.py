"""The operator's side: commands over a Unix socket, one JSON object a line, and an object back.

The socket is a file, so it can be reached from any network namespace. `COMMANDS` is the whole list.
"""

import json
import secrets
import socketserver

from . import codes
from .feed import stamp
from .store import delete, one, put


def plan(cloud, site, id, **fields):
    """plan ID [metered_s=3600 title.en='1 hour' …]: puts a plan on sale."""
    words = {name: str(fields[name]) for name in ("price", "currency") if name in fields}
    body = {"op": "put", "kind": "plan", "id": str(id)} | fields | words
    with cloud.store.transaction() as db:
        put(db, site, "plan", id, body)
    return body


def voucher(cloud, site, plan, count=1, batch=None, code=None, **fields):
    """voucher PLAN [count=3 batch=B12 code='4821 9937 05' activate_by=…]: issues codes, and tells them."""
    made = []
    with cloud.store.transaction() as db:
        key = _site_key(db, site)
        for _ in range(int(count)):
            number = str(code) if code is not None else codes.listed()
            id = "v-" + secrets.token_hex(6)
            told = {"code": number} if key is None else {"key": codes.key(key, "voucher", number)}
            body = {"op": "put", "kind": "voucher", "id": id} | told | {"plan": plan} | fields
            if batch is not None:
                body["batch"] = batch
            name = told.get("key", codes.normal("voucher", number))
            put(db, site, "voucher", name, body)
            made.append(number)
    return made


def self_verifying(cloud, site, plan, serial, count=1, number=0):
    """self-verifying PLAN_NUMBER SERIAL [count=3 number=0]: tells codes that need not reach the gateway."""
    with cloud.store.transaction() as db:
        key = _site_key(db, site)
    if key is None:
        raise ValueError("this site keeps its key to itself")
    return [codes.self_verifying(key, int(number), int(plan), int(serial) + more) for more in range(int(count))]


def payment(cloud, site, reference, plan, listed=True, **fields):
    """payment REFERENCE PLAN [phone_last4=0417 mac=… listed=false]: was paid; listed=false: only lookups find it."""
    reference = str(reference)
    with cloud.store.transaction() as db:
        key = _site_key(db, site)
        told = {"reference": reference} if key is None else {"key": codes.key(key, "payment", reference)}
        id = "p-" + secrets.token_hex(6)
        body = {"op": "put", "kind": "payment", "id": id} | told | {"plan": plan, "paid_at": stamp()}
        body |= {name: str(value) for name, value in fields.items()}
        normal = codes.normal("payment", reference)
        db.execute("INSERT OR REPLACE INTO payment VALUES (?, ?, ?)", (site, normal, json.dumps(body)))
        if listed:
            put(db, site, "payment", told.get("key", normal), body)
    return body


def account(cloud, site, name, plan, pin_hash):
    """account NAME PLAN PIN_HASH: a guest with a name and a PIN."""
    with cloud.store.transaction() as db:
        key = _site_key(db, site)
        row = codes.normal("account", name) if key is None else codes.key(key, "account", name)
        body = {"op": "put", "kind": "account", "name": name, "pin_hash": pin_hash, "plan": plan}
        put(db, site, "account", row, body)
    return body


def remove(cloud, site, kind, name):
    """delete KIND NAME: takes back a plan, a code, a reference or an account."""
    field = {"plan": "id", "voucher": "code", "payment": "reference", "account": "name"}[kind]
    with cloud.store.transaction() as db:
        key = _site_key(db, site)
        told, row = {field: name}, name
        if kind != "plan":
            row = codes.normal(kind, str(name)) if key is None else codes.key(key, kind, str(name))
            if key is not None and kind != "account":
                told = {"key": row}
        return delete(db, site, kind, row, {"op": "del", "kind": kind} | told)


def command(cloud, site, name, **fields):
    """command NAME [mac=… plan=… phone_last4=… reference=…]: kick, grant, block, forget, export, reload_plans."""
    id = "c-" + secrets.token_hex(6)
    body = {"op": "do", "id": id, "command": name} | {name: str(value) for name, value in fields.items()}
    with cloud.store.transaction() as db:
        put(db, site, "do", id, body)
    return body


def phone(cloud, site, number, plan):
    """phone NUMBER PLAN: this guest may log in with a one-time code."""
    with cloud.store.transaction() as db:
        db.execute("INSERT OR REPLACE INTO phone VALUES (?, ?, ?, NULL)", (site, str(number), plan))
    return number


def otp(cloud, site, number):
    """otp NUMBER: the one-time code that was sent there last."""
    with cloud.store.transaction(notify=False) as db:
        row = one(db, "SELECT code FROM phone WHERE site = ? AND number = ?", site, str(number))
    return row["code"] if row else None


def claim(cloud, site):
    """claim: what `lango enrol URL CLAIM` needs, once."""
    made = secrets.token_hex(8)
    with cloud.store.transaction() as db:
        db.execute("INSERT INTO claim VALUES (?, ?, NULL)", (made, site))
    return made


def events(cloud, site, type=None, after=0):
    """events [type=redeemed after=120]: the facts that came, in the order of their numbers."""
    query = "SELECT * FROM event WHERE site = ? AND (? IS NULL OR type = ?) AND seq > ? ORDER BY device, seq"
    with cloud.store.transaction(notify=False) as db:
        rows = db.execute(query, (site, type, type, int(after))).fetchall()
    return [{"device": row["device"], "boot": row["boot"]} | json.loads(row["body"]) for row in rows]


def ledger(cloud, site):
    """ledger: per gateway how far it was heard, how often it repeated itself; and everything that must not be."""
    with cloud.store.transaction(notify=False) as db:
        devices = db.execute("SELECT name, acked, repeats FROM device WHERE site = ?", (site,)).fetchall()
        trouble = db.execute("SELECT device, seq, what FROM trouble WHERE site = ?", (site,)).fetchall()
    return {"devices": [dict(row) for row in devices], "trouble": [dict(row) for row in trouble]}


def fault(cloud, _, name, value=None, on="all", times=None):
    """fault NAME [VALUE] [on=feed|events|lookup|key|enrol times=2]: misbehaves from now on; see `faults`."""
    cloud.faults.set(name, value, on, None if times is None else int(times))
    return cloud.faults.shown()


def mend(cloud, _, name=None):
    """mend [NAME]: behaves again."""
    cloud.faults.mend(name)
    return cloud.faults.shown()


def faults(cloud, _):
    """faults: those that are on."""
    return cloud.faults.shown()


def epoch(cloud, site, without=None):
    """epoch [without=voucher]: begins a new log, as after a restored backup that knew none of a kind; gateways start over."""
    with cloud.store.transaction() as db:
        db.execute("DELETE FROM op WHERE site = ? AND kind = ?", (site, without))
        db.execute("UPDATE site SET epoch = epoch + 1 WHERE name = ?", (site,))
        return one(db, "SELECT epoch FROM site WHERE name = ?", site)["epoch"]


def forget_log(cloud, site):
    """forget-log: the log is whole from here on only; older cursors get 410."""
    with cloud.store.transaction() as db:
        oldest = one(db, "SELECT max(seq) FROM op")[0] or 0
        db.execute("UPDATE site SET oldest = ? WHERE name = ?", (oldest, site))
        db.execute("DELETE FROM op WHERE site = ? AND NOT live", (site,))
        return oldest


def settings(cloud, _, **changes):
    """settings [min_wait_s=60 page_bytes=32768 idle_s=60]: the pace asked for, a page's size, when a quiet line is closed."""
    unknown = set(changes) - set(cloud.settings)
    if unknown:
        raise ValueError(f"there is no setting {', '.join(sorted(unknown))}")
    cloud.settings |= {name: int(value) for name, value in changes.items()}
    return cloud.settings


def requests(cloud, _):
    """requests: what was asked of late, with when, how long it took, the status and the bytes of the body."""
    return cloud.asked()


COMMANDS = {
    "plan": plan,
    "voucher": voucher,
    "self-verifying": self_verifying,
    "payment": payment,
    "account": account,
    "delete": remove,
    "command": command,
    "phone": phone,
    "otp": otp,
    "claim": claim,
    "events": events,
    "ledger": ledger,
    "fault": fault,
    "mend": mend,
    "faults": faults,
    "epoch": epoch,
    "forget-log": forget_log,
    "settings": settings,
    "requests": requests,
}


class Admin(socketserver.ThreadingUnixStreamServer):
    """Answers on the socket `path` for `cloud`; a command without a site means `site`."""

    daemon_threads = True

    def __init__(self, cloud, site, path):
        self.cloud, self.site = cloud, site
        path.unlink(missing_ok=True)
        super().__init__(str(path), _Conversation)

    def answer(self, line):
        """The answer to one line."""
        try:
            asked = json.loads(line)
            run = COMMANDS[asked["do"]]
            given = asked.get("with", {})
            return {"ok": run(self.cloud, asked.get("site", self.site), *asked.get("of", []), **given)}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return {"error": f"{type(error).__name__}: {error}"}


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(json.dumps(self.server.answer(line)).encode() + b"\n")


def _site_key(db, site):
    row = one(db, "SELECT key FROM site WHERE name = ?", site)
    if row is None:
        raise ValueError(f"there is no site {site}")
    return row["key"]
