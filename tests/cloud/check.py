"""The checks of `check`: a cloud is started, asked over TLS, and every answer is held against openapi.yaml."""

import base64
import contextlib
import gzip
import hashlib
import http.client
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import time

import jsonschema
import openapi_spec_validator
import yaml
from cloud import codes

HERE = pathlib.Path(__file__).parent
DESCRIPTION = yaml.safe_load((HERE / "openapi.yaml").read_text())
SITE = "kariakoo-01"
MAC = "02:77:00:00:00:01"
PATIENCE_S = 30


class Running:
    """A cloud in a process of its own, and its operator."""

    def __init__(self, folder, *options):
        self.folder, self.options = folder, options
        self.start()

    def start(self):
        """Starts it, again after `kill`."""
        command = [HERE / "run", "--dir", self.folder, "serve", "--listen", "127.0.0.1:0", "--site", SITE, *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        words = ""
        while "signing_key" not in words:
            words += self.process.stdout.readline() or _fail("the cloud did not start")
        self.port = int(words.split("https://localhost:")[1].split("'")[0])
        self.token = (self.folder / "token").read_text().strip()

    def kill(self):
        """Ends it without warning."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def tell(self, command, *of, **given):
        """Does a command of the operator."""
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self.folder / "admin.sock"))
            line.sendall(json.dumps({"do": command, "of": of, "with": given}).encode() + b"\n")
            answer = json.loads(line.makefile().readline())
        return answer["ok"] if "ok" in answer else _fail(answer["error"])

    def connect(self, timeout=PATIENCE_S):
        """A connection that trusts this cloud alone."""
        context = ssl.create_default_context(cafile=self.folder / "keys" / "ca.pem")
        return http.client.HTTPSConnection("localhost", self.port, timeout=timeout, context=context)

    def ask(self, path, body=None, token=None, **headers):
        """Asks once: status, answer and headers, which are as described."""
        with contextlib.closing(self.connect()) as connection:
            return ask(connection, self.token if token is None else token, path, body, **headers)

    def feed(self, since="", **headers):
        """A page of the feed."""
        status, page, _ = self.ask(f"/v1/sites/{SITE}/feed" + (f"?since={since}" if since else ""), **headers)
        return page if status == 200 else _fail(f"status {status}")

    def send(self, *facts, device="gw-1"):
        """Sends facts; status and how far they are acknowledged."""
        body = {"device": device, "boot": "b-1", "events": list(facts)}
        status, answer, _ = self.ask(f"/v1/sites/{SITE}/events", body)
        return status, answer["acked"]


def ask(connection, token, path, body=None, **headers):
    """Asks over a connection that is open."""
    sent = {"Lango_Protocol": "1", "Authorization": f"Bearer {token}"} | headers
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    connection.request(method, path, data, {name.replace("_", "-"): value for name, value in sent.items() if value})
    response = connection.getresponse()
    data = response.read()
    if response.headers.get("Content-Encoding") == "gzip":
        data = gzip.decompress(data)
    return response.status, described(method, path, response, data), response.headers | {"body": data}


http.client.HTTPMessage.__or__ = lambda self, more: dict(self.items()) | more


def described(method, path, response, data):
    """The body, after it was held against the description."""
    path = path.split("?")[0].replace(SITE, "{site}")
    known = DESCRIPTION["paths"][path][method.lower()]["responses"]
    known = known.get(str(response.status)) or _fail(f"{method} {path}: {response.status} is not described")
    if "$ref" in known:
        known = DESCRIPTION["components"]["responses"][known["$ref"].rsplit("/", 1)[1]]
    if "content" not in known:
        return None if data == b"" else _fail("a body where none should be")
    kind = response.headers["Content-Type"]
    schema = {"components": DESCRIPTION["components"]} | known["content"][kind]["schema"]
    body = json.loads(data)
    jsonschema.Draft202012Validator(schema).validate(body)
    return body


def fact(seq, kind="usage", **fields):
    """An event."""
    return {"seq": seq, "at": "2026-11-21T22:17:31Z", "clock": "trusted", "type": kind} | fields


class Shadow:
    """What a gateway knows that applies every page: rows by their line of the digest."""

    def __init__(self):
        self.rows, self.cursor, self.incoming = {}, "", None

    def follow(self, cloud):
        """Asks until there is no more, and holds the digest against what came; how many pages that were."""
        for count in range(1, 1000):
            page = cloud.feed(self.cursor)
            assert page["since"] == self.cursor and page["site"] == SITE
            if page["full"] and self.incoming is None:
                self.incoming = {}
            rows = self.incoming if page["full"] else self.rows
            for op in page["ops"]:
                line = f"{op['kind']}:{op.get('key') or op.get('id')}" if op["op"] != "do" else None
                if op["op"] == "put":
                    rows[line] = op
                elif op["op"] == "del":
                    rows.pop(line, None)
            self.cursor = page["cursor"]
            if not page["more"]:
                if page["full"]:
                    self.rows, self.incoming = self.incoming, None
                lines = "".join(f"{line}\n" for line in sorted(self.rows))
                assert page["digest"] == hashlib.sha256(lines.encode()).hexdigest(), "the digest is of something else"
                return count
        return _fail("pages without end")


# --- the checks


def the_description_is_openapi(_):
    openapi_spec_validator.validate(DESCRIPTION)


def codes_and_keys_are_those_of_the_golden_file(_):
    golden = json.loads((HERE.parent / "golden" / "codes.json").read_text())
    site_key = bytes.fromhex(golden["site_key"])
    for row in golden["keys"]:
        assert codes.normal(row["kind"], row["text"]) == row["normal"], row
        assert codes.key(site_key, row["kind"], row["text"]) == row["key"], row
    assert codes.digest(reversed(golden["digest"]["lines"])) == golden["digest"]["sha256"]
    assert codes.digest([]) == golden["digest"]["of_nothing"]
    for row in golden["self_verifying"]["keys"]:
        assert codes.self_verifying_key(site_key, row["number"]).hex() == row["key"], row
    for row in golden["self_verifying"]["codes"]:
        assert codes.self_verifying(site_key, row["number"], row["plan"], row["serial"]) == row["code"], row


def rows_of_the_trail_are_bound_as_in_the_golden_file(_):
    golden = json.loads((HERE.parent / "golden" / "audit.json").read_text())
    before = "0" * 64
    for row in golden["rows"]:
        assert codes.bound(before, row | {"row": row["seq"]}) == row["hash"], row
        before = row["hash"]


def a_row_of_the_trail_that_does_not_follow_is_noted(cloud):
    first = fact(1, "audit", row=7, who="uid 0", action="login", detail="s-1", hash="1" * 64)
    right = fact(2, "audit", row=8, who="cloud c-1", action="logout", detail="s-1")
    right["hash"] = codes.bound(first["hash"], right)
    wrong = fact(3, "audit", row=9, who="uid 0", action="reload", detail="", hash="2" * 64)
    again = fact(4, "audit", row=9, who="uid 0", action="reload", detail="", hash="2" * 64)
    cloud.send(first, right)
    assert cloud.tell("ledger")["trouble"] == []
    cloud.send(wrong, again)
    assert [row["seq"] for row in cloud.tell("ledger")["trouble"]] == [3, 4]


def a_first_sync_comes_in_pages_and_ends_in_the_digest(cloud):
    cloud.tell("plan", "hour", metered_s=3600, title={"en": "1 hour"}, price="500", currency="TZS")
    cloud.tell("voucher", "hour", count=500, batch="B1")
    cloud.tell("payment", "DFJ9B1FPQ8", "hour", phone_last4="0417")
    cloud.tell("settings", page_bytes=8192)
    shadow = Shadow()
    assert shadow.follow(cloud) > 5 and len(shadow.rows) == 502


def what_changes_comes_alone(cloud):
    shadow = Shadow()
    cloud.tell("plan", "hour", metered_s=3600)
    made = cloud.tell("voucher", "hour", count=3)
    shadow.follow(cloud)
    cloud.tell("delete", "voucher", made[0])
    cloud.tell("plan", "hour", metered_s=7200)
    page = cloud.feed(shadow.cursor)
    assert not page["full"] and [op["op"] for op in page["ops"]] == ["del", "put"]
    shadow.follow(cloud)
    assert len(shadow.rows) == 3 and shadow.rows["plan:hour"]["metered_s"] == 7200


def a_row_that_goes_in_the_middle_of_a_reset_is_gone_after_it(cloud):
    made = cloud.tell("voucher", "hour", count=300)
    cloud.tell("settings", page_bytes=8192)
    shadow = Shadow()
    first = cloud.feed()
    assert first["more"] and first["full"]
    shadow.incoming = {f"voucher:{op['key']}": op for op in first["ops"]}
    shadow.cursor = first["cursor"]
    cloud.tell("delete", "voucher", made[0])
    cloud.tell("voucher", "hour")
    shadow.follow(cloud)
    assert len(shadow.rows) == 300


def a_poll_is_held_until_something_is_new(cloud):
    cursor = cloud.feed()["cursor"]
    with contextlib.closing(cloud.connect()) as connection:
        path = f"/v1/sites/{SITE}/feed?since={cursor}"
        status, _, headers = ask(connection, cloud.token, path)
        etag = {"If-None-Match": headers["ETag"]}
        began = time.monotonic()
        status, _, _ = ask(connection, cloud.token, path + "&wait=1", **etag)
        assert status == 304 and time.monotonic() - began >= 1
        sent = {"Lango-Protocol": "1", "Authorization": f"Bearer {cloud.token}"} | etag
        connection.request("GET", path + "&wait=25", headers=sent)
        cloud.tell("voucher", "hour")
        page = json.loads(connection.getresponse().read())
        assert len(page["ops"]) == 1 and time.monotonic() - began < 20


def a_new_epoch_starts_everybody_over(cloud):
    shadow = Shadow()
    cloud.tell("voucher", "hour", count=2)
    shadow.follow(cloud)
    cloud.tell("epoch")
    assert cloud.feed(shadow.cursor)["full"]
    shadow.follow(cloud)
    assert len(shadow.rows) == 2 and shadow.cursor.startswith("2.")
    status, _, _ = cloud.ask(f"/v1/sites/{SITE}/feed?since=3.1")
    assert status == 410, "a cursor from the future"


def a_cursor_that_the_log_forgot_is_gone(cloud):
    cloud.tell("voucher", "hour")
    cursor = cloud.feed()["cursor"]
    cloud.tell("voucher", "hour")
    cloud.tell("forget-log")
    status, _, _ = cloud.ask(f"/v1/sites/{SITE}/feed?since={cursor}")
    assert status == 410


def pages_are_signed(cloud):
    _, _, headers = cloud.ask(f"/v1/sites/{SITE}/feed", Accept_Encoding="gzip")
    with tempfile.TemporaryDirectory() as folder:
        body, signature = pathlib.Path(folder) / "body", pathlib.Path(folder) / "signature"
        body.write_bytes(headers["body"])
        signature.write_bytes(base64.b64decode(headers["Lango-Signature"].removeprefix("ed25519=")))
        key = ("-inkey", cloud.folder / "keys" / "signing.pem", "-sigfile", signature, "-in", body)
        subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", *key], check=True, capture_output=True)


def facts_are_kept_once(cloud):
    usage = fact(2, session="s-1", seconds=300, bytes_up=1, bytes_down=2)
    assert cloud.send(fact(1, "redeemed", key="0" * 32), usage) == (200, 2)
    assert cloud.send(fact(1, "redeemed", key="0" * 32), usage, fact(3)) == (200, 3)
    assert [event["seq"] for event in cloud.tell("events")] == [1, 2, 3]
    assert cloud.tell("ledger") == {"devices": [{"name": "gw-1", "acked": 3, "repeats": 2}], "trouble": []}
    assert cloud.feed()["acked"] == 3
    cloud.send(fact(3, "redeemed"))
    assert "another fact" in cloud.tell("ledger")["trouble"][0]["what"]


def a_hole_is_asked_about_once(cloud):
    assert cloud.send(fact(1)) == (200, 1)
    assert cloud.send(fact(5)) == (409, 1)
    assert cloud.send(fact(2), fact(3)) == (200, 3)
    assert cloud.send(fact(5)) == (409, 3)
    assert cloud.send(fact(5)) == (200, 5)
    assert [note["what"] for note in cloud.tell("ledger")["trouble"]] == ["hole from 4"]


def a_new_database_counts_anew(cloud):
    assert cloud.send(fact(1), fact(2)) == (200, 2)
    assert cloud.send(fact(1), device="gw-2") == (200, 1)
    assert cloud.feed()["acked"] == 1


def events_may_come_compressed(cloud):
    body = gzip.compress(json.dumps({"device": "gw-1", "boot": "b", "events": [fact(1)]}).encode())
    status, answer, _ = cloud.ask(f"/v1/sites/{SITE}/events", body, Content_Encoding="gzip")
    assert (status, answer) == (200, {"acked": 1})
    bomb = gzip.compress(b" " * (2 << 20))
    assert cloud.ask(f"/v1/sites/{SITE}/events", bomb, Content_Encoding="gzip")[0] == 413
    assert cloud.ask(f"/v1/sites/{SITE}/events", b"junk", Content_Encoding="gzip")[0] == 400


def a_command_stays_until_it_is_done(cloud):
    command = cloud.tell("command", "kick", mac=MAC)
    assert cloud.feed()["ops"] == [command]
    cloud.send(fact(1, "done", command=command["id"], result="ok"))
    assert cloud.feed()["ops"] == []


def a_lookup_finds_what_was_paid(cloud):
    cloud.tell("payment", "DFJ9B1FPQ8", "hour", listed=False)
    assert cloud.feed()["ops"] == []
    path = f"/v1/sites/{SITE}/lookup"
    status, answer, _ = cloud.ask(path, {"reference": " dfj9b1 fpq8", "mac": MAC})
    assert status == 200 and answer["ops"][0]["plan"] == "hour"
    assert cloud.ask(path, {"reference": "DFJ9B1FPQ9", "mac": MAC})[0] == 404


def a_phone_is_sent_a_code_that_works_once(cloud):
    cloud.tell("phone", "+255700000000", "hour")
    path, who = f"/v1/sites/{SITE}/lookup", {"phone": "+255700000000", "mac": MAC}
    assert cloud.ask(path, who)[1] == {"ops": []}
    code = cloud.tell("otp", "+255700000000")
    assert cloud.ask(path, who | {"otp": "0" * 8})[0] == 404
    assert cloud.ask(path, who | {"otp": code})[1]["ops"][0]["command"] == "grant"
    assert cloud.ask(path, who | {"otp": code})[0] == 404


def a_site_has_one_key_for_its_store(cloud):
    path = f"/v1/sites/{SITE}/key"
    status, first, _ = cloud.ask(path)
    assert status == 200 and len(bytes.fromhex(first["key"])) == 32
    assert cloud.ask(path)[1] == first
    assert cloud.ask(path, token="other")[0] == 401
    cloud.tell("fault", "other_key", on="key")
    assert cloud.ask(path)[1] != first


def a_claim_lets_one_gateway_join(cloud):
    claim = cloud.tell("claim")
    asked = {"claim": claim, "device": "gw-1", "public_key": base64.b64encode(bytes(32)).decode()}
    status, joined, _ = cloud.ask("/v1/enrol", asked, token="", Authorization="")
    assert status == 200 and joined["token"] == cloud.token
    assert bytes.fromhex(joined["site_key"]) == (cloud.folder / "site.key").read_bytes()
    assert cloud.ask("/v1/enrol", asked)[0] == 200, "the answer could have been lost"
    other = asked | {"public_key": base64.b64encode(bytes([1] * 32)).decode()}
    assert cloud.ask("/v1/enrol", other)[0] == 403


def strangers_and_strange_tongues_are_refused(cloud):
    path = f"/v1/sites/{SITE}/feed"
    assert cloud.ask(path, token="wrong")[0] == 401
    assert cloud.ask(path, Lango_Protocol="2")[0] == 426 and cloud.ask(path, Lango_Protocol="")[0] == 426
    with contextlib.closing(cloud.connect()) as connection:
        sent = {"Lango-Protocol": "1", "Authorization": f"Bearer {cloud.token}"}
        connection.request("GET", "/v1/sites/other/feed", headers=sent)
        assert connection.getresponse().status == 403


def tls_is_1_3_only(cloud):
    context = ssl.create_default_context(cafile=cloud.folder / "keys" / "ca.pem")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert _fails(lambda: _handshake(cloud, context), ssl.SSLError)


def a_kill_loses_nothing(cloud):
    cloud.tell("voucher", "hour", count=5)
    cloud.send(fact(1), fact(2))
    before = Shadow()
    before.follow(cloud)
    cloud.kill()
    cloud.start()
    after = Shadow()
    after.follow(cloud)
    assert before.rows == after.rows and before.cursor == after.cursor
    assert cloud.send(fact(2), fact(3)) == (200, 3)


def a_keyless_cloud_speaks_in_the_clear(cloud):
    with tempfile.TemporaryDirectory() as folder, running(pathlib.Path(folder), "--keyless") as keyless:
        code = keyless.tell("voucher", "hour")[0]
        page = keyless.feed()
        assert page["ops"][0]["code"] == code and "digest" not in page
        keyless.tell("delete", "voucher", code)
        assert keyless.feed(page["cursor"])["ops"] == [{"op": "del", "kind": "voucher", "code": code}]


def bad_pages_are_bad_and_signed_all_the_same(cloud):
    cloud.tell("voucher", "hour")
    good = cloud.feed()
    expected = {
        "wrong_site": lambda page: page["site"] != SITE,
        "old_cursor": lambda page: page["cursor"].startswith("0."),
        "skipped": lambda page: page["since"] == "1.1",
        "endless": lambda page: page["more"] and not page["ops"],
        "stale": lambda page: page["not_after"] < page["time"],
        "wrong_digest": lambda page: page["digest"] == "0" * 64,
        "wrong_time": lambda page: page["time"][:10] > good["time"][:10],
        "unknown": lambda page: "weather" in page and len(page["ops"]) == len(good["ops"]) + 3,
    }
    for name, holds in expected.items():
        cloud.tell("fault", name, on="feed", times=1)
        page = cloud.feed()
        assert holds(page), f"{name}: {page}"
        assert cloud.feed()["ops"] == good["ops"], f"{name} lasts longer than once"
    cloud.tell("fault", "replayed")
    assert cloud.feed(good["cursor"])["since"] == "", "replayed: not the page before"


def bad_answers_are_bad(cloud):
    path = f"/v1/sites/{SITE}/feed"
    cloud.tell("voucher", "hour", count=20)
    cloud.tell("fault", "status", 503, times=1)
    with contextlib.closing(cloud.connect()) as connection:
        sent = {"Lango-Protocol": "1", "Authorization": f"Bearer {cloud.token}"}
        connection.request("GET", path, headers=sent)
        answer = connection.getresponse()
        assert (answer.status, answer.read()[:9]) == (503, b'{"error":')
    for name, wrong in (("bad_json", ValueError), ("cut", http.client.IncompleteRead), ("html", KeyError)):
        cloud.tell("fault", name, times=1)
        assert _fails(cloud.feed, wrong), name
    cloud.tell("fault", "big", 10, times=1)
    assert len(cloud.ask(path)[2]["body"]) > 10_000_000
    cloud.tell("fault", "unsigned", times=1)
    assert "Lango-Signature" not in cloud.ask(path)[2]
    cloud.tell("fault", "bad_signature", times=1)
    assert _fails(lambda: pages_are_signed(cloud), subprocess.CalledProcessError)


def slow_answers_are_slow(cloud):
    cloud.tell("fault", "slow", 1, times=1)
    began = time.monotonic()
    cloud.feed()
    assert time.monotonic() - began >= 1
    cloud.tell("fault", "trickle", 1)
    connection = cloud.connect(timeout=3)
    connection.request("GET", f"/v1/sites/{SITE}/feed", headers={"Lango-Protocol": "1", "Authorization": f"Bearer {cloud.token}"})
    assert connection.getresponse().read(2) == b'{"'
    connection.close()
    cloud.tell("mend")
    cloud.tell("fault", "hang")
    hanging = cloud.connect(timeout=1)
    hanging.request("GET", f"/v1/sites/{SITE}/feed")
    assert _fails(hanging.getresponse, TimeoutError)
    hanging.close()
    cloud.tell("mend")
    cloud.feed()


def acks_get_lost_and_doubled(cloud):
    cloud.tell("fault", "lost_acks", times=1)
    assert _fails(lambda: cloud.send(fact(1)), http.client.RemoteDisconnected)
    assert cloud.send(fact(1)) == (200, 1)
    cloud.tell("fault", "duplicate_acks", times=1)
    assert cloud.send(fact(2)) == (200, 1)
    assert cloud.send(fact(2)) == (200, 2)
    assert cloud.tell("ledger")["trouble"] == [] and len(cloud.tell("events")) == 2


def wrong_certificates_are_wrong(cloud):
    context = ssl.create_default_context(cafile=cloud.folder / "keys" / "ca.pem")
    said = {"expired": "expired", "future": "not yet valid", "wrong_name": "match", "untrusted": "unable to get"}
    for kind, words in said.items():
        cloud.tell("fault", "certificate", kind, times=1)
        assert words in _fails(lambda: _handshake(cloud, context), ssl.SSLCertVerificationError), kind
        _handshake(cloud, context)


def a_captive_network_answers_instead(cloud):
    cloud.tell("fault", "captive", "plain", times=1)
    assert _fails(cloud.feed, ssl.SSLError)
    cloud.tell("fault", "captive", "plain", times=1)
    with contextlib.closing(http.client.HTTPConnection("localhost", cloud.port, timeout=PATIENCE_S)) as connection:
        connection.request("GET", "/")
        assert connection.getresponse().status == 302
    cloud.tell("fault", "captive", "tls", times=1)
    assert "unable to get" in _fails(cloud.feed, ssl.SSLCertVerificationError)
    cloud.tell("fault", "refuse", times=1)
    assert _fails(cloud.feed, (OSError, http.client.HTTPException))
    cloud.feed()


def the_description_holds_for_anything_that_is_asked(cloud):
    command = [
        *(pathlib.Path(sys.executable).parent / "schemathesis", "--config-file", HERE / "schemathesis.toml", "--no-color"),
        *("run", HERE / "openapi.yaml", "--url", f"https://localhost:{cloud.port}"),
        *("--tls-verify", cloud.folder / "keys" / "ca.pem", "-H", f"Authorization: Bearer {cloud.token}"),
        *("--max-examples", "50", "--generation-deterministic", "--suppress-health-check", "all"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cloud.folder.parent)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


def _handshake(cloud, context):
    with socket.create_connection(("localhost", cloud.port), timeout=PATIENCE_S) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            tls.send(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            return tls.recv(1)


def _fails(action, wrong):
    try:
        action()
    except wrong as error:
        return f"{type(error).__name__} {error}"
    return ""


def _fail(why):
    raise AssertionError(why)


@contextlib.contextmanager
def running(folder, *options):
    """A cloud of one's own."""
    cloud = Running(folder, *options)
    try:
        yield cloud
    finally:
        cloud.kill()


CHECKS = (
    the_description_is_openapi,
    codes_and_keys_are_those_of_the_golden_file,
    rows_of_the_trail_are_bound_as_in_the_golden_file,
    a_first_sync_comes_in_pages_and_ends_in_the_digest,
    what_changes_comes_alone,
    a_row_that_goes_in_the_middle_of_a_reset_is_gone_after_it,
    a_poll_is_held_until_something_is_new,
    a_new_epoch_starts_everybody_over,
    a_cursor_that_the_log_forgot_is_gone,
    pages_are_signed,
    facts_are_kept_once,
    a_hole_is_asked_about_once,
    a_new_database_counts_anew,
    a_row_of_the_trail_that_does_not_follow_is_noted,
    events_may_come_compressed,
    a_command_stays_until_it_is_done,
    a_lookup_finds_what_was_paid,
    a_phone_is_sent_a_code_that_works_once,
    a_site_has_one_key_for_its_store,
    a_claim_lets_one_gateway_join,
    strangers_and_strange_tongues_are_refused,
    tls_is_1_3_only,
    a_kill_loses_nothing,
    a_keyless_cloud_speaks_in_the_clear,
    bad_pages_are_bad_and_signed_all_the_same,
    bad_answers_are_bad,
    slow_answers_are_slow,
    acks_get_lost_and_doubled,
    wrong_certificates_are_wrong,
    a_captive_network_answers_instead,
    the_description_holds_for_anything_that_is_asked,
)


def main():
    """The exit code."""
    failed = 0
    for check in CHECKS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                with running(pathlib.Path(folder) / "cloud") as cloud:
                    check(cloud)
                print(f"ok    {check.__name__}", flush=True)
            except Exception as error:
                failed += 1
                print(f"FAIL  {check.__name__}: {type(error).__name__}: {error}", flush=True)
                if "LANGO_TRACE" in os.environ:
                    raise
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return failed > 0


sys.exit(main())
