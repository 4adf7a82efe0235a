"""The cloud as a whole: its folder, its settings, and what a gateway has to know of it."""

import collections
import pathlib
import secrets
import threading
import time

from .certificates import Certificates
from .faults import Faults
from .store import Store, make_site

REQUESTS_REMEMBERED = 10_000
ANSWER_PATIENCE_S = 2


class Cloud:
    """Everything that the server and the operator share."""

    def __init__(self, folder, names):
        self.folder = pathlib.Path(folder).absolute()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.certificates = Certificates(self.folder / "keys", names)
        self.store = Store(self.folder / "cloud.db")
        self.faults = Faults()
        self.settings = {"min_wait_s": 0, "page_bytes": 256 * 1024, "idle_s": 120}
        self.signing_key = self.certificates.signing_key()
        self.last_page = {}
        self._requests = collections.deque(maxlen=REQUESTS_REMEMBERED)
        self._answers_going_out = 0
        self._noting = threading.Condition()

    def site(self, name, site_key=b"", token=None):
        """Makes a site if there is none of that name; without a site key the gateway makes its own."""
        key = secrets.token_bytes(32) if site_key == b"" else site_key
        with self.store.transaction() as db:
            site = make_site(db, name, key)
            if token is not None:
                db.execute("UPDATE site SET token = ? WHERE name = ?", (token, name))
        return site

    def joining(self, site):
        """What a gateway of the site needs: the answer to an enrolment."""
        answer = {
            "site": site["name"],
            "token": site["token"],
            "signing_key": self.signing_key,
            "ca": self.certificates.authority.read_text(),
        }
        return answer if site["key"] is None else answer | {"site_key": site["key"].hex()}

    def noted(self, method, path, status, sent, began):
        """Remembers a request, whose answer went out since `answers` was told if there was one."""
        took = round(time.time() - began, 3)
        with self._noting:
            self._requests.append(
                {"at": round(began, 3), "took": took, "method": method, "path": path, "status": status, "bytes": sent}
            )

    def answers(self, by):
        """The answers that are going out are more by this many."""
        with self._noting:
            self._answers_going_out += by
            self._noting.notify_all()

    def asked(self):
        """The requests of late, oldest first; whoever has an answer in hand finds its request here.

        An answer that trickles is not waited for to its end.
        """
        with self._noting:
            self._noting.wait_for(lambda: self._answers_going_out == 0, ANSWER_PATIENCE_S)
            return list(self._requests)
