"""The protocol over HTTPS: TLS 1.3, bearer tokens, gzip both ways, long polls, and whatever faults are on."""

import gzip
import http.server
import json
import re
import socket
import ssl
import time
import zlib

from . import answers, misbehave
from .answers import Refused

BODY_MAX = 1 << 20
ROUTES = (
    ("GET", "feed", re.compile(r"/v1/sites/([^/]+)/feed")),
    ("POST", "events", re.compile(r"/v1/sites/([^/]+)/events")),
    ("POST", "lookup", re.compile(r"/v1/sites/([^/]+)/lookup")),
    ("GET", "key", re.compile(r"/v1/sites/([^/]+)/key")),
    ("POST", "enrol", re.compile(r"/v1/(enrol)")),
)


class Server(http.server.ThreadingHTTPServer):
    """Serves `cloud`: its store, faults, certificates, settings, and the list of what was asked."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, cloud, address):
        self.cloud = cloud
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.contexts = {}
        super().__init__(address, Connection)

    def context(self, kind):
        """The TLS of a kind of certificate; kept, so that sessions can be resumed."""
        if kind not in self.contexts:
            self.contexts[kind] = self.cloud.certificates.context(kind)
        return self.contexts[kind]

    def handle_error(self, request, client_address):
        """A connection that breaks is nothing to speak of here."""


class Connection(http.server.BaseHTTPRequestHandler):
    """One connection and its requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "lango-test-cloud"
    sys_version = ""

    def setup(self):
        faults = self.server.cloud.faults.of_connection()
        self.request.settimeout(self.server.cloud.settings["idle_s"])
        self.captive = faults.get("captive")
        self.refused = "refuse" in faults
        if not self.refused and self.captive != "plain":
            kind = "untrusted" if self.captive else faults.get("certificate", "good")
            self.request = self.server.context(kind).wrap_socket(self.request, server_side=True)
        super().setup()

    def handle(self):
        if not self.refused:
            super().handle()

    def finish(self):
        super().finish()
        if isinstance(self.request, ssl.SSLSocket):
            self.request.close()

    def version_string(self):
        return self.server_version

    def log_message(self, *_):
        """What was asked is kept by `_noted`."""

    def do_GET(self):
        """Answers any method: the route decides."""
        cloud, began = self.server.cloud, time.time()
        self.body_sent, self.answering = 0, 0
        status = "closed"
        try:
            status = self._answer()
        finally:
            cloud.noted(self.command, self.path.split("?")[0], status, self.body_sent, began)
            cloud.answers(-self.answering)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_TRACE = do_QUERY = do_GET

    def _answer(self):
        if self.captive:
            self.close_connection = True
            return self._send(302, misbehave.CAPTIVE, {"Location": "http://login.hotel.example/", "Content-Type": "text/html"})
        faults, signed, request = {}, False, None
        try:
            body = self._read()
            method, request, site = self._route()
            faults = self.server.cloud.faults.of_answer(request)
            self._delay(faults)
            if misbehave.status(faults):
                raise Refused(misbehave.status(faults), "a fault")
            if self.command != method:
                raise Refused(405, f"{method} only", Allow=method)
            if self.headers.get("Lango-Protocol") != "1":
                raise Refused(426, "this cloud speaks Lango-Protocol 1", Upgrade="Lango-Protocol/1", Connection="Upgrade")
            status, answer, headers = self._asked(request, site, body, faults)
            signed = request == "feed"
        except Refused as refused:
            status, answer, headers = refused.status, {"error": str(refused)}, refused.headers
        if "lost_acks" in faults and request == "events" or "hang" in faults:
            self.close_connection = True
            return "lost"
        return self._reply(status, answer, headers, faults, signed)

    def _asked(self, request, site, body, faults):
        cloud, token = self.server.cloud, self.headers.get("Authorization", "").removeprefix("Bearer ")
        if request == "feed":
            return answers.feed(cloud, site, token, self._query(), self.headers.get("If-None-Match"), faults)
        if request == "events":
            return answers.events(cloud, site, token, _json(body), faults)
        if request == "lookup":
            return answers.lookup(cloud, site, token, _json(body))
        if request == "key":
            return answers.key(cloud, site, token, faults)
        return answers.enrol(cloud, _json(body))

    def _route(self):
        path = self.path.split("?")[0]
        for method, request, pattern in ROUTES:
            found = pattern.fullmatch(path)
            if found:
                return method, request, found[1]
        raise Refused(404, "no such path")

    def _delay(self, faults):
        if "slow" in faults:
            time.sleep(float(faults["slow"]))
        if "hang" in faults:
            self.server.cloud.faults.wait_until_mended("hang", 600)

    def _query(self):
        found = {}
        for part in filter(None, self.path.partition("?")[2].split("&")):
            name, _, value = part.partition("=")
            if name in found:
                raise Refused(400, "a parameter comes twice")
            found[name] = value
        return found

    def _read(self):
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit():
            self.close_connection = True
            raise Refused(411, "a body needs Content-Length")
        if int(length) > BODY_MAX:
            self.close_connection = True
            raise Refused(413, "a body has at most 1 MiB")
        body = self.rfile.read(int(length))
        if self.headers.get("Content-Encoding", "identity") == "gzip":
            return _unpacked(body)
        return body

    def _reply(self, status, answer, headers, faults, signed):
        headers = {"Lango-Protocol": "1", "Cache-Control": "no-store"} | headers
        if answer is None:
            return self._send(status, None, headers)
        body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
        body, headers["Content-Type"] = misbehave.body(faults, body)
        if signed and status == 200 and "unsigned" not in faults:
            over = b"something else" if "bad_signature" in faults else body
            headers["Lango-Signature"] = "ed25519=" + self.server.cloud.certificates.sign(over)
        if len(body) > 200 and "gzip" in self.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, 6)
        return self._send(status, body, headers, cut="cut" in faults, rate=faults.get("trickle"))

    def _send(self, status, body, headers, cut=False, rate=None):
        self.answering = 1
        self.server.cloud.answers(self.answering)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if body is not None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body is None or self.command == "HEAD":
            return status
        if cut:
            body = body[: len(body) // 2]
            self.close_connection = True
        step = len(body) if rate is None else max(int(rate), 1)
        for at in range(0, len(body), step or 1):
            self.wfile.write(body[at : at + step])
            self.body_sent += len(body[at : at + step])
            if rate is not None:
                time.sleep(1)
        return "cut" if cut else status


def _unpacked(body):
    try:
        plain = zlib.decompressobj(wbits=31).decompress(body, BODY_MAX + 1)
    except zlib.error as error:
        raise Refused(400, "not gzip") from error
    if len(plain) > BODY_MAX:
        raise Refused(413, "a body has at most 1 MiB")
    return plain


def _json(body):
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "not JSON") from error
