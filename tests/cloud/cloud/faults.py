"""The misbehaviours: what each is, which are on, and for how long.

A fault is on for some requests (`times`) or until it is mended, on one kind of request or on all. Those of the second
table are of the whole connection and know no kinds.
"""

import threading

REQUESTS = ("feed", "events", "lookup", "key", "enrol")

OF_AN_ANSWER = {
    "slow": "answers after so many seconds",
    "hang": "never answers; the connection stays open",
    "trickle": "sends so many bytes of the answer a second",
    "cut": "closes the connection in mid-body",
    "status": "answers with this status (500, 503, 401, 403, 410, 426, 429 …)",
    "bad_json": "a body that is not JSON",
    "big": "a body of so many megabytes (10)",
    "html": "200 and a web page, as from a proxy in between",
    "wrong_site": "a page of another site",
    "old_cursor": "a page whose cursor goes back",
    "skipped": "a page that follows another cursor than was asked",
    "replayed": "the page of the request before, signature and all",
    "endless": "an empty page that says there is more",
    "stale": "a page past its not_after",
    "wrong_digest": "a page with a digest of something else",
    "wrong_time": "a page whose time is so many seconds ahead",
    "unknown": "a page with ops, kinds and fields that no gateway knows yet",
    "bad_signature": "a signature of something else",
    "unsigned": "no signature",
    "lost_acks": "events are kept, and the connection is closed without an answer",
    "other_key": "another key of the store than before",
    "duplicate_acks": "events are kept, and acknowledged as far as the time before",
}

OF_A_CONNECTION = {
    "certificate": "expired, future, wrong_name or untrusted",
    "captive": "somebody else answers: plain (HTTP instead of TLS) or tls (a certificate of its own, 302)",
    "refuse": "connections are closed as soon as they are made",
}

# Without a value they mean this.
USUAL = {"slow": 5, "trickle": 100, "status": 500, "big": 10, "wrong_time": 86_400, "certificate": "expired", "captive": "plain"}


class Faults:
    """Those that are on."""

    def __init__(self):
        self._lock = threading.Lock()
        self._on = {}
        self.mended = threading.Condition(self._lock)

    def set(self, name, value=None, on="all", times=None):
        """Switches a fault on; it takes the place of one of the same name."""
        if name not in OF_AN_ANSWER | OF_A_CONNECTION:
            raise ValueError(f"there is no fault {name}")
        if on != "all" and on not in REQUESTS:
            raise ValueError(f"on is one of all, {', '.join(REQUESTS)}")
        with self._lock:
            self._on[name] = {"value": USUAL.get(name) if value is None else value, "on": on, "times": times}

    def mend(self, name=None):
        """Switches a fault off, or all."""
        with self._lock:
            if name is None:
                self._on.clear()
            else:
                self._on.pop(name, None)
            self.mended.notify_all()

    def shown(self):
        """What is on."""
        with self._lock:
            return {name: dict(fault) for name, fault in self._on.items()}

    def of_answer(self, request):
        """The faults of one answer, as name to value; counts them."""
        with self._lock:
            names = [name for name in self._on if name in OF_AN_ANSWER and self._on[name]["on"] in ("all", request)]
            return {name: self._use(name) for name in names}

    def of_connection(self):
        """The faults of one new connection, as name to value; counts them."""
        with self._lock:
            return {name: self._use(name) for name in list(self._on) if name in OF_A_CONNECTION}

    def wait_until_mended(self, name, seconds):
        """Returns when the fault is off, or after so long."""
        with self._lock:
            self.mended.wait_for(lambda: name not in self._on, seconds)

    def _use(self, name):
        fault = self._on[name]
        if fault["times"] is not None:
            fault["times"] -= 1
            if fault["times"] <= 0:
                del self._on[name]
        return fault["value"]
