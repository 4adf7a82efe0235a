"""The requests, answered: each gives a status, the answer (None: no body) and headers, or is `Refused`."""

import secrets
import time

from . import checks, events as facts, feed as log, misbehave
from .store import one


class Refused(Exception):
    """The request is answered with this status and these words."""

    def __init__(self, status, why, **headers):
        super().__init__(why)
        self.status, self.headers = status, headers


def feed(cloud, name, token, asked, etag_there, faults):
    """A page; waits for something new as long as is asked."""
    since, wait = asked.get("since", ""), asked.get("wait", "0")
    if "since" in asked and not checks.CURSOR.fullmatch(since):
        raise Refused(400, "since is epoch.seq")
    if not checks.WAIT.fullmatch(wait) or int(wait) > 25:
        raise Refused(400, "wait is 0 to 25")
    if set(asked) - {"since", "wait"}:
        raise Refused(400, "the parameters are since and wait")
    _wait(cloud, name, token, since, int(wait))
    with cloud.store.transaction(notify=False) as db:
        site = _site(db, name, token)
        etag = f'W/"{log.head(db, site)}"'
        if since == log.head(db, site) and etag_there == etag and not faults:
            return 304, None, {"ETag": etag}
        try:
            page = log.page(db, site, since, cloud.settings)
        except log.Gone as gone:
            raise Refused(410, "this cursor is too old; start over") from gone
    page = misbehave.page(faults, page, cloud.last_page.get(name))
    cloud.last_page[name] = page
    return 200, page, {} if page["more"] else {"ETag": etag}


def events(cloud, name, token, body, faults):
    """Keeps a batch of facts."""
    batch = _checked(checks.batch, body)
    with cloud.store.transaction() as db:
        site = _site(db, name, token)
        before = one(db, "SELECT acked FROM device WHERE site = ? AND name = ?", name, batch["device"])
        status, acked = facts.take(db, site, batch)
    if "duplicate_acks" in faults:
        acked = before["acked"] if before else 0
    return status, {"acked": acked}, {}


def lookup(cloud, name, token, body):
    """What is known of a guest's reference or phone."""
    asked = _checked(checks.lookup, body)
    with cloud.store.transaction(notify=False) as db:
        ops = log.lookup(db, _site(db, name, token), asked)
    if ops is None:
        raise Refused(404, "not known")
    return 200, {"ops": ops}, {}


def key(cloud, name, token, faults):
    """The key of the gateway's store: made when it is asked for first, and the same ever after."""
    with cloud.store.transaction(notify=False) as db:
        site = _site(db, name, token)
        db.execute("INSERT OR IGNORE INTO store_key VALUES (?, ?)", (site["name"], secrets.token_hex(32)))
        kept = one(db, "SELECT key FROM store_key WHERE site = ?", site["name"])["key"]
    return 200, {"key": secrets.token_hex(32) if "other_key" in faults else kept}, {}


def enrol(cloud, body):
    """Lets a gateway join. The one that used a claim may ask again: the answer could have been lost."""
    asked = _checked(checks.enrolment, body)
    with cloud.store.transaction() as db:
        claim = one(db, "SELECT * FROM claim WHERE claim = ?", asked["claim"])
        if claim is None or claim["public_key"] not in (None, asked["public_key"]):
            raise Refused(403, "this claim is not known, or was used")
        db.execute("UPDATE claim SET public_key = ? WHERE claim = ?", (asked["public_key"], asked["claim"]))
        return 200, cloud.joining(one(db, "SELECT * FROM site WHERE name = ?", claim["site"])), {}


def _wait(cloud, name, token, since, seconds):
    deadline = time.monotonic() + seconds
    with cloud.store.changed:
        while True:
            with cloud.store.transaction(notify=False) as db:
                newest = log.head(db, _site(db, name, token))
            left = deadline - time.monotonic()
            if since != newest or left <= 0:
                return
            cloud.store.changed.wait(left)


def _site(db, name, token):
    site = one(db, "SELECT * FROM site WHERE token = ?", token)
    if site is None:
        raise Refused(401, "this token is not known", **{"WWW-Authenticate": "Bearer"})
    if site["name"] != name:
        raise Refused(403, "this token is of another site")
    return site


def _checked(check, body):
    found = check(body)
    if isinstance(found, str):
        raise Refused(400, found)
    return found
