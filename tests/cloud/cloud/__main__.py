"""The command line: serves, or tells the serving process what to do."""

import argparse
import json
import pathlib
import shlex
import signal
import socket
import sys
import threading

from . import faults
from .admin import COMMANDS, Admin
from .cloud import Cloud
from .server import Server

SNIPPET = """\
config cloud
	option url '{url}'
	option token_file '{folder}/token'
	option ca_file '{folder}/keys/ca.pem'
	option signing_key '{signing_key}'
"""


def main():
    """The exit code."""
    arguments = _parser().parse_args()
    if arguments.what == "serve":
        return serve(arguments)
    return tell(arguments)


def serve(arguments):
    """Serves until SIGINT or SIGTERM."""
    host, _, port = arguments.listen.rpartition(":")
    host = host.strip("[]")
    names = arguments.name or ["localhost", "127.0.0.1", "::1"]
    cloud = Cloud(arguments.dir, names)
    key = None if arguments.keyless else bytes.fromhex(arguments.site_key or "")
    site = cloud.site(arguments.site, key, arguments.token)
    _write(cloud.folder / "token", arguments.token or site["token"])
    if site["key"] is not None:
        _write(cloud.folder / "site.key", site["key"])
    server = Server(cloud, (host, int(port)))
    admin = Admin(cloud, arguments.site, cloud.folder / "admin.sock")
    url = f"https://{names[0]}:{server.server_address[1]}"
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # of the threads, too: they inherit it
    for one in (server, admin):
        threading.Thread(target=one.serve_forever, daemon=True).start()
    print("# The site is", arguments.site, "and its gateway needs in /etc/config/lango, besides site and site_key_file:")
    print(SNIPPET.format(url=url, folder=cloud.folder, signing_key=cloud.signing_key), flush=True)
    signal.sigwait(ends)
    return 0


def tell(arguments):
    """Has the serving process do a command, and prints the answer."""
    of, given = [], {}
    for word in arguments.words:
        name, sign, value = word.partition("=")
        if not sign:
            of.append(_value(word))
            continue
        place = given
        *outer, name = name.split(".")
        for level in outer:
            place = place.setdefault(level, {})
        place[name] = _value(value)
    line = {"do": arguments.what, "of": of, "with": given} | ({"site": arguments.site} if arguments.site else {})
    path = str(pathlib.Path(arguments.dir) / "admin.sock")
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            connection.sendall(json.dumps(line).encode() + b"\n")
            answer = json.loads(connection.makefile().readline())
    except OSError as error:
        print(f"{path}: {error.strerror}; start the cloud with: tests/cloud/run serve", file=sys.stderr)
        return 69
    if "error" in answer:
        print(answer["error"], file=sys.stderr)
        return 1
    _print(answer["ok"])
    return 0


def _print(answer):
    if isinstance(answer, list):
        for row in answer:
            print(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False))
    else:
        print(answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False))


def _value(text):
    """Numbers, true and false are what they look like, but digits that begin with 0 stay text."""
    if text in ("true", "false") or (text.isdigit() and (text == "0" or not text.startswith("0")) and len(text) < 16):
        return json.loads(text)
    return text


def _write(path, content):
    path.touch(mode=0o600)
    path.write_bytes(content if isinstance(content, bytes) else content.encode() + b"\n")


def _parser():
    commands = "\n".join(f"  {run.__doc__}" for run in COMMANDS.values())
    table = faults.OF_AN_ANSWER | faults.OF_A_CONNECTION
    listed = "\n".join(f"  {name:15} {what}" for name, what in table.items())
    default = pathlib.Path("target") / "cloud"
    shown = f"commands:\n  serve: is the cloud; --help after it says more\n{commands}\n\nfaults:\n{listed}\n"
    parser = argparse.ArgumentParser(
        prog="tests/cloud/run",
        description="A small cloud for Lango, to test against and to try it with.",
        epilog=shown,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dir", default=default, help=f"where it keeps its database and keys ({shlex.quote(str(default))})")
    parsers = parser.add_subparsers(dest="what", required=True, metavar="command")
    serving = parsers.add_parser("serve")
    serving.add_argument("--listen", default="127.0.0.1:8443", help="address:port; port 0: any that is free")
    serving.add_argument("--name", action="append", help="a name or address for the certificate; may be repeated")
    serving.add_argument("--site", default="kariakoo-01")
    serving.add_argument("--site-key", help="64 hex digits instead of random ones")
    serving.add_argument("--keyless", action="store_true", help="the gateway keeps its site key: codes go in the clear")
    serving.add_argument("--token", help="instead of a random one")
    for name, run in COMMANDS.items():
        telling = parsers.add_parser(name, description=run.__doc__)
        telling.add_argument("words", nargs="*")
        telling.add_argument("--site", help="another site than the one served")
    return parser


sys.exit(main())
