"""Walks the tree of commands: help, examples, JSON and errors. Run by tests/commands/run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import seen
from checks import CONFIG, GATEWAY, HOTSPOT, LANGO, SOCKET, check, closing, commands, fits, lango, live, on_gateway, told

DEVICE = "02:00:00:00:00:01"
# What --json stands in the place of.
FORMS = ("--print", "--format", "csv", "--json")
TOP = Path(__file__).resolve().parents[2]


def code():
    return told("voucher", "new", "--plan", "hour")[0]["code"]


def cloud(*args):
    run = subprocess.run([TOP / "tests/cloud/run", "--dir", HOTSPOT / "cloud", *args], capture_output=True, text=True)
    return run.stdout.strip()


def online():
    return told("login", DEVICE, "--plan", "hour")


def vouchers():
    path = HOTSPOT / "vouchers.csv"
    path.write_text(f"code,plan,batch,activate_by\n{time.time_ns() % 10**10:010},hour,B1,\n1,no-such-plan,,\n")
    return path


def elsewhere():
    """A configuration whose store no daemon has, and a backup to be put there."""
    folder = HOTSPOT / "elsewhere"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    live("backup", folder / "backup")
    gateway = f"config gateway 'main'\n\tlist interface 'br-guest'\n\toption state_dir '{folder}/state'\n"
    (folder / "lango").write_text(gateway)
    return folder


def openwrt():
    """A folder with the settings of a router that has just been unpacked."""
    folder = HOTSPOT / "openwrt"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(TOP / "tests/openwrt/stock/24.10", folder)
    gateway = f"\nconfig gateway 'main'\n\tlist interface 'br-guest'\n\toption state_dir '{folder}/state'\n"
    (folder / "lango").write_text(gateway)
    return folder / "lango"


def prepared(command):
    """The example's arguments, with what they name made before: codes, sessions and files that are there."""
    example, into = (command.example.removeprefix("lango ").split(" > ") + [""])[:2]
    args = shlex.split(example)
    if command.words == "logout":
        session = online()["id"]
        args = [session if arg == "s-310" else arg for arg in args]
    if command.words == "voucher reprint":
        batch = told("voucher", "new", "--plan", "hour")[0]["batch"]
        args = [batch if arg.startswith("B2") else arg for arg in args]
    if command.words in ("export", "forget", "doctor", "topup", "extend", "refund", "move", "merge"):
        online()
    if command.words == "move":
        live("logout", "02:00:00:00:00:02")
    if command.words == "merge":
        told("login", "02:00:00:00:00:02", "--plan", "hour")
    if command.words == "enrol":
        args = ["enrol", "https://localhost:8443", cloud("claim"), "--ca", HOTSPOT / "cloud" / "keys" / "ca.pem"]
    if command.words == "restore":
        folder = elsewhere()
        return ["restore", folder / "backup", "--config", folder / "lango"], into
    if command.words == "backup":
        (HOTSPOT / "a.backup").unlink(missing_ok=True)
        args = ["backup", HOTSPOT / "a.backup"]
    names = {
        "4821 9937 05": code,
        "vouchers.csv": vouchers,
        "/etc/config/lango": lambda: CONFIG,
        "/var/lib/prometheus/node-exporter/lango.prom": lambda: HOTSPOT / "lango.prom",
    }
    args = [names[arg]() if arg in names else arg for arg in args]
    if command.words == "setup":
        args += ["--config", openwrt()]
    elif command.takes("--socket"):
        args += ["--socket", SOCKET]
    elif command.takes("--config") and "--config" not in args:
        args += ["--config", CONFIG]
    return args, into


def run(command, args):
    """Runs the command, where it has all that it needs."""
    if command.words == "setup":
        # OpenWrt's uci is not to be had here.
        stand_in = TOP / "tests/openwrt/stand_in"
        return lango(*args, env=os.environ | {"PATH": f"{stand_in}:{os.environ['PATH']}"})
    return lango(*args)


def tree(found):
    general = lango("--help")
    check("lango --help", general.returncode == 0 and "Exit codes:" in general.stdout, general)
    for group in sorted({words.split()[0] for words in (one.words for one in found) if " " in words}):
        shown = lango(group, "--help").stdout
        members = [one.words for one in found if one.words.startswith(f"{group} ")]
        check(f"lango {group} --help", all(member in shown for member in members), shown)
    for one in found:
        text, code = one.shown.stdout, one.shown.returncode
        parts = ["Usage: lango " + one.words, "\nOptions:\n", "\nExample:\n  lango ", "\nExit codes:\n"]
        whole = code == 0 and all(part in text for part in parts) and {0, 2} <= one.exits.keys()
        check(f"lango {one.words} --help", whole and one.example.startswith(f"lango {one.words}"), text)


def examples(found):
    for one in found:
        if one.words == "run":
            continue  # the daemon that answers all the others was started so
        args, into = prepared(one)
        ended = run(one, args)
        # A doctor who finds something has done his work.
        good = ended.returncode == 0 or (one.words == "doctor" and ended.returncode == 1)
        # What holds guests in the daemon's stead logs as the daemon does.
        good = good and (not ended.stderr or one.words == "hold")
        check(f"example: {one.example}", good, f"{ended.returncode}: {ended.stdout}{ended.stderr}")
        if into:
            check(f"example: {into} is not empty", len(ended.stdout) > 20)
        if not one.takes("--json"):
            continue
        args, _ = prepared(one)
        args = [arg for arg in args if arg not in FORMS] + ["--json"]
        ended = run(one, args)
        fits(f"JSON: lango {one.words}", one.words.replace(" ", "-"), ended.stdout)


def refused(what, one, args, exits, word, by=lango):
    """Three checks: the exit code and what is said to a person; the same for a program."""
    said = by(*args)
    line = said.stderr.strip()
    # What is wrong; and behind a semicolon, what to do.
    good = said.returncode == exits and not said.stdout and line.startswith("lango: ") and "; " in line
    good = good and exits in one.exits
    check(f"{what}: lango {one.words}", good, f"{said.returncode}: {said.stdout}{line}")
    if one.takes("--json"):
        said = by(*args, "--json")
        if fits(f"{what}, JSON: lango {one.words}", "error", said.stdout):
            good = said.returncode == exits and f'"code":"{word}"' in said.stdout and '"remedy":""' not in said.stdout
            check(f"{what}, code: lango {one.words}", good, f"{said.returncode}: {said.stdout}")


def errors(found):
    nobody = lambda *args: on_gateway("setpriv", "--reuid", 65534, "--regid", 65534, "--clear-groups", LANGO, *args)
    broken = HOTSPOT / "broken.conf"
    broken.write_text("config gateway 'main'\n\toption frob '1'\n")
    for one in found:
        words = one.words.split()
        refused("unknown option", one, [*words, "--frob"], 2, "usage")
        refused("too many arguments", one, [*words, "a", "b", "c"], 2, "usage")
        if re.match(r"[A-Z(a-z]|--", one.usage):
            refused("missing argument", one, words, 2, "usage")
        args = [arg for arg in prepared(one)[0] if arg not in (SOCKET, "--socket", *FORMS)]
        if one.takes("--socket"):
            refused("no daemon", one, [*args, "--socket", "/nonexistent/lango.sock"], 69, "unreachable")
            refused("no permission", one, [*args, "--socket", SOCKET], 77, "no_permission", nobody)
        if one.takes("--offline"):
            refused("configuration", one, [*args, "--offline", "--config", broken], 78, "configuration")
    by_words = {one.words: one for one in found}
    for what, args, word in [
        ("no such plan", ["login", DEVICE, "--plan", "nothing"], "no_such_plan"),
        ("no such plan", ["voucher", "new", "--plan", "nothing"], "no_such_plan"),
        ("nobody online", ["logout", "02:00:00:00:00:99"], "not_online"),
        ("no such session", ["logout", "--session", "s-999999"], "no_such_session"),
        ("no such voucher", ["voucher", "show", "0000 0000 00"], "no_such_voucher"),
        ("no such voucher", ["voucher", "revoke", "0000 0000 00"], "no_such_voucher"),
        ("no such batch", ["voucher", "reprint", "--batch", "B0", "--yes"], "refused"),
        ("no such voucher", ["topup", "0000 0000 00", "--time", "1h"], "no_such_voucher"),
        ("nobody there", ["topup", "--mac", "02:00:00:00:00:99", "--time", "1h"], "not_online"),
        ("nobody has it", ["extend", code(), "--by", "1h"], "refused"),
        ("no such session", ["extend", "--session", "s-999999", "--by", "1h"], "no_such_session"),
        ("nobody there", ["refund", "--mac", "02:00:00:00:00:99"], "not_online"),
        ("nobody there", ["move", "--mac", "02:00:00:00:00:99", DEVICE], "not_online"),
        ("nobody there", ["merge", DEVICE, "02:00:00:00:00:99"], "not_online"),
        ("not written", ["backup", "/nonexistent/a.backup"], "bad_file"),
        ("no such file", ["voucher", "import", "/nonexistent.csv"], "bad_file"),
        ("nothing stored", ["export", "--mac", "02:00:00:00:00:99"], "no_such_person"),
        ("nothing stored", ["forget", "--mac", "02:00:00:00:00:99"], "no_such_person"),
        ("not written", ["metrics", "--file", "/nonexistent/lango.prom"], "bad_file"),
    ]:
        words = " ".join(args[:2]) if " ".join(args[:2]) in by_words else args[0]
        refused(what, by_words[words], args, 1, word, live)
    said = lango("check", "--config", broken)
    check("configuration: lango check", said.returncode == 78 and f"{broken}:2: frob: " in said.stdout, said)


def main():
    found = list(commands())
    check("the tree has commands", len(found) > 20, found)
    tree(found)
    # The cloud is joined first: what comes later has one.
    found.sort(key=lambda one: one.words != "enrol")
    ended = run(found[0], prepared(found[0])[0])
    check("example: " + found[0].example, ended.returncode == 0, ended)
    seen.restarted()
    examples(found[1:])
    errors(found)
    seen.everything()
    return closing()


sys.exit(main())
