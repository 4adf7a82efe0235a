"""A stand-in for an access point's web server: uhttpd, rpcd and LuCI, around the real plugin, ACLs, menu and pages.

    stand_in.py --etc DIR --plugin FILE --socket FILE --log FILE --port N --session ID=GROUP[:r],… [--luci DIR]

Real: the files of luci-app-lango, its compiled translations, and the plugin, which is started as rpcd starts it. Stood
in for: ubus over HTTP with the error codes of uhttpd-mod-ubus; sessions, whose grants are those of the ACL files;
`uci`, over the files of DIR with changes kept apart until they are applied; `log`, whose entries are the lines of a
file, each a JSON object. The framework is the one beside this file; `--luci` names the resources of a real LuCI.
"""

import argparse
import json
import mimetypes
import subprocess
import sys
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qs, urlsplit

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[2]
APP = TOP / "openwrt/luci-app-lango"
sys.path[:0] = [str(HERE.parent), str(TOP / "openwrt")]

import lmo_reader
import uci_text
from packer import translations

INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED = 2, 4, 6
NO_SUCH_OBJECT, ACCESS_DENIED = (-32000, "Object not found"), (-32002, "Access denied")
# What LuCI's own packages grant to everybody who has logged in.
EVERYBODYS = {("uci", it) for it in ("get", "set", "add", "delete", "changes", "order")} | {
    ("luci", "getFeatures"),
    ("session", "access"),
}
# The longest body that uhttpd-mod-ubus takes.
LONGEST = 65536

PAGE = """<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><title>Lango</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{style}"><link rel="icon" href="data:,">
<script src="/cgi-bin/luci/admin/translations/{language}"></script><script src="/luci-static/resources/cbi.js"></script>
</head><body data-page="admin-services-lango"><header>{menu}</header><div id="maincontent" class="container">
<div id="tabmenu" style="display:none"></div>
<script src="/luci-static/resources/luci.js"></script><script>L = new LuCI({env});</script>
<div id="view"><script>L.require('ui').then(function(ui) {{ ui.instantiateView('{view}'); }});</script></div>
</div></body></html>
"""


class Session:
    """What one session may do, by the ACL files of the package."""

    def __init__(self, groups: str) -> None:
        self.groups: dict[str, set[str]] = {}
        self.methods: set[tuple[str, str]] = set()
        self.configs: set[tuple[str, str]] = set()
        acl = {}
        for path in (APP / "root/usr/share/rpcd/acl.d").iterdir():
            acl |= json.loads(path.read_text())
        for name in list(acl) if groups == "*" else groups.split(","):
            group, _, rights = name.partition(":")
            self.groups[group] = {"read"} if rights == "r" else {"read", "write"}
            for right in self.groups[group]:
                granted = acl[group].get(right, {})
                self.methods |= {(it, method) for it, all_of in granted.get("ubus", {}).items() for method in all_of}
                self.configs |= {(right, it) for it in granted.get("uci", [])}

    def may_call(self, called: str, method: str) -> bool:
        """Whether a method may be called at all."""
        return (called, method) in self.methods | EVERYBODYS

    def page(self, needed: list[str]) -> str | None:
        """Whether a page may be seen, as the dispatcher of LuCI looks at it: "rw", "r", or not."""
        rights = [self.groups.get(group, set()) for group in needed]
        if not all(rights):
            return None
        return "rw" if any("write" in it for it in rights) else "r"


class Uci:
    """`uci` of rpcd: changes are kept until they are applied; then the file is replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.staged = uci_text.read((folder / "lango").read_text())

    def call(self, session: Session, method: str, given: dict) -> tuple[int, dict | None]:
        """Status and answer."""
        if method == "changes":
            return 0, {"changes": {}}
        if (("read" if method == "get" else "write"), given.get("config")) not in session.configs:
            return PERMISSION_DENIED, None
        named = self._named()
        if method == "get":
            return 0, {"values": {name: _values(it, name, at) for at, (name, it) in enumerate(named.items())}}
        if method == "add":
            return self._add(given)
        if method == "order":
            return 0, None
        section = named.get(given["section"])
        if section is None:
            return NOT_FOUND, None
        if method == "set":
            section.options |= given["values"]
        elif given.get("options"):
            for option in given["options"]:
                section.options.pop(option, None)
        else:
            self.staged.remove(section)
        return 0, None

    def apply(self) -> None:
        """Writes what was staged."""
        new = self.folder / "lango.new"
        new.write_text(uci_text.write(self.staged))
        new.rename(self.folder / "lango")

    def _named(self) -> dict[str, uci_text.Section]:
        # A name that stays the same until the section goes.
        return {it.name or f"cfg{id(it):x}": it for it in self.staged}

    def _add(self, given: dict) -> tuple[int, dict | None]:
        section = uci_text.Section(given["type"], given.get("name") or "", dict(given.get("values") or {}))
        self.staged.append(section)
        return 0, {"section": section.name or f"cfg{id(section):x}"}


def _values(section: uci_text.Section, name: str, at: int) -> dict:
    return {".type": section.kind, ".name": name, ".anonymous": not section.name, ".index": at} | section.options


class Point:
    """The access point."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.sessions = {sid: Session(groups) for sid, groups in (it.split("=", 1) for it in options.session)}
        self.uci = Uci(Path(options.etc))
        self.lock = Lock()
        self.resources = [APP / "htdocs/luci-static/resources", Path(options.luci or HERE / "framework")]
        menu = json.loads((APP / "root/usr/share/luci/menu.d/luci-app-lango.json").read_text())
        self.menu = {path: node for path, node in menu.items() if node["action"]["type"] == "view"}

    def ubus(self, message: dict) -> dict:
        """The answer to one message."""
        done = {"jsonrpc": "2.0", "id": message.get("id")}
        if message.get("method") == "list":
            return done | {"result": {}}
        sid, called, method, given = message["params"]
        session = self.sessions.get(sid)
        if called not in ("lango", "log", "uci", "luci", "session"):
            return done | {"error": dict(zip(("code", "message"), NO_SUCH_OBJECT, strict=True))}
        if session is None or not session.may_call(called, method):
            return done | {"error": dict(zip(("code", "message"), ACCESS_DENIED, strict=True))}
        status, answer = self.call(session, sid, called, method, given)
        return done | {"result": [status] if answer is None else [status, answer]}

    def call(self, session: Session, sid: str, called: str, method: str, given: dict) -> tuple[int, dict | None]:
        """What the object answers."""
        match called:
            case "lango":
                return self.plugin(method, given | {"ubus_rpc_session": sid})
            case "log":
                lines = Path(self.options.log).read_text().splitlines()
                return 0, {"log": [json.loads(line) for line in lines[-given["lines"] :]]}
            case "uci":
                with self.lock:
                    return self.uci.call(session, method, given)
            case "session":
                return 0, {"access": (given.get("function"), given.get("object")) in session.configs}
            case _:
                return 0, {}

    def plugin(self, method: str, given: dict) -> tuple[int, dict | None]:
        """As rpcd calls it: what is no object is an invalid argument; exit code and stderr say nothing."""
        command = [self.options.plugin, "call", method, "--socket", self.options.socket]
        done = subprocess.run(command, input=json.dumps(given).encode(), capture_output=True, check=False)
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            return INVALID_ARGUMENT, None
        return (0, answer) if isinstance(answer, dict) else (INVALID_ARGUMENT, None)

    def texts(self, language: str) -> dict[int, str]:
        """The translations of a language, from what is shipped of them."""
        path = APP / f"po/{language}/lango.po"
        texts = lmo_reader.read(translations.compiled(path.read_text())) if path.exists() else {}
        return {hashed: text for hashed, (_, text) in texts.items()}

    def page(self, path: str, sid: str, language: str) -> str | None:
        """A page of the menu, if the session may see it."""
        node, session = self.menu.get(path), self.sessions.get(sid)
        right = session and node and session.page(node["depends"]["acl"])
        if not right:
            return None
        texts = self.texts(language)
        links = [
            f'<a href="/cgi-bin/luci/{to}?session={sid}&amp;lang={language}">'
            f"{texts.get(translations.hashed(it['title'].encode()), it['title'])}</a>"
            for to, it in self.menu.items()
            if session.page(it["depends"]["acl"])
        ]
        env = {
            "scriptname": "/cgi-bin/luci", "resource": "/luci-static/resources", "media": "/luci-static",
            "ubuspath": "/ubus/", "sessionid": sid, "pollinterval": 5, "token": "", "requestpath": path.split("/"),
            "dispatchpath": path.split("/"), "apply_rollback": 90, "apply_holdoff": 1, "apply_timeout": 5,
            "apply_display": 1.5, "nodespec": {"satisfied": True, "readonly": right == "r"},
        }  # fmt: skip
        style = "/luci-static/cascade.css" if self.options.luci else "/luci-static/resources/style.css"
        return PAGE.format(
            language=language, style=style, menu="".join(links), env=json.dumps(env), view=node["action"]["path"]
        )


class Request(BaseHTTPRequestHandler):
    """One request."""

    def __init__(self, point: Point, *rest: object) -> None:
        self.point = point
        super().__init__(*rest)

    def do_GET(self) -> None:
        """Pages and files."""
        to = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(to.query).items()}
        if to.path.startswith("/cgi-bin/luci/admin/translations/"):
            texts = self.point.texts(to.path.rsplit("/", 1)[1])
            self._answer(200, f"window.TR={json.dumps({f'{at:08x}': text for at, text in texts.items()})};", "text/javascript")
        elif to.path.startswith("/cgi-bin/luci/"):
            path = to.path.removeprefix("/cgi-bin/luci/")
            page = self.point.page(path, query.get("session", ""), query.get("lang", "en"))
            self._answer(200 if page else 403, page or "Forbidden", "text/html; charset=utf-8")
        else:
            self._file(to.path)

    def do_POST(self) -> None:
        """ubus, and the application of changes."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        to = urlsplit(self.path)
        if to.path.startswith("/cgi-bin/luci/admin/uci/"):
            given = parse_qs(to.query) | parse_qs(body.decode())
            session = self.point.sessions.get(given.get("sid", [""])[0])
            if session is None or ("write", "lango") not in session.configs:
                return self._answer(403, "", "text/plain")
            with self.point.lock:
                self.point.uci.apply()
            if to.path.endswith("/apply_rollback"):
                return self._answer(200, json.dumps({"token": "", "error": ""}), "application/json")
            return self._answer(204, "", "text/plain")
        if not to.path.startswith("/ubus"):
            return self._answer(404, "", "text/plain")
        if length > LONGEST:
            return self._answer(413, "", "text/plain")
        message = json.loads(body)
        several = isinstance(message, list)
        answers = [self.point.ubus(it) for it in (message if several else [message])]
        return self._answer(200, json.dumps(answers if several else answers[0]), "application/json")

    def _file(self, path: str) -> None:
        name = path.removeprefix("/luci-static/resources/").removeprefix("/luci-static/")
        for folder in self.point.resources:
            for found in (folder / name, folder.parent / name):
                if found.is_file() and ".." not in name:
                    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
                    return self._answer(200, found.read_bytes(), kind)
        return self._answer(404, "", "text/plain")

    def _answer(self, status: int, body: str | bytes, kind: str) -> None:
        content = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser()
    for name in ("etc", "plugin", "socket", "log"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--session", action="append", required=True)
    parser.add_argument("--luci")
    point = Point(parser.parse_args())
    ThreadingHTTPServer(("127.0.0.1", point.options.port), partial(Request, point)).serve_forever()


main()
