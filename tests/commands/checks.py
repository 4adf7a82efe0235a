"""What the checks of the commands share: the program in its namespace, and one line for each check."""

import json
import os
import re
import subprocess
from pathlib import Path

import jsonschema

HOTSPOT = Path(os.environ["HOTSPOT"])
GATEWAY, PHONE = os.environ["GATEWAY"], os.environ["PHONE"]
LANGO, CONFIG, SOCKET = HOTSPOT / "lango", HOTSPOT / "lango.conf", HOTSPOT / "run" / "lango.sock"
SCHEMAS = Path(__file__).resolve().parents[1] / "golden" / "schemas"

counts = {"passed": 0, "failed": 0}


def check(what, good, why=""):
    counts["passed" if good else "failed"] += 1
    print(f"ok    {what}" if good else f"FAIL  {what}: {why}", flush=True)
    return good


def closing():
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return 0 if counts["passed"] and not counts["failed"] else 1


def on_gateway(*args, **options):
    """A command line in the gateway's namespace."""
    options = {"capture_output": True, "text": True, "timeout": 60, "stdin": subprocess.DEVNULL} | options
    return subprocess.run(["ip", "netns", "exec", GATEWAY, *map(str, args)], **options)


def lango(*args, **options):
    return on_gateway(LANGO, *args, **options)


def live(*args, **options):
    """A command that asks the daemon."""
    return lango(*args, "--socket", SOCKET, **options)


def told(*args):
    """What a command that asks the daemon prints as JSON."""
    return json.loads(live(*args, "--json").stdout)


def fits(what, schema, text):
    """One check: `text` is JSON as tests/golden/schemas/SCHEMA.json has it."""
    path = SCHEMAS / f"{schema}.json"
    if not path.exists():
        return check(what, False, f"there is no {path.name}")
    rules = json.loads(path.read_text())
    try:
        jsonschema.Draft7Validator.check_schema(rules)
        jsonschema.validate(json.loads(text), rules, format_checker=jsonschema.FormatChecker())
        return check(what, True)
    except (ValueError, jsonschema.ValidationError, jsonschema.SchemaError) as error:
        return check(what, False, f"{str(error).splitlines()[0]}: {text[:300]}")


def commands():
    """The commands of `lango --help`, each with what its own help says."""
    general = lango("--help").stdout
    listed = general.split("\nCommands:\n")[1].split("\n\n")[0]
    for words in (re.match(r"  (\S+(?: \S+)*)  ", line).group(1) for line in listed.splitlines()):
        yield Command(words, lango(*words.split(), "--help"))


class Command:
    def __init__(self, words, shown):
        self.words, self.shown, text = words, shown, shown.stdout
        self.usage = self._line(text, "Usage: ").removeprefix(f"lango {words}").strip()
        self.options = re.findall(r"^  (--[a-z-]+)", text, re.M)
        self.example = self._line(text, "Example:\n  ")
        self.exits = {int(code): why for code, why in re.findall(r"^  (\d+)\s+(.+)$", text, re.M)}

    @staticmethod
    def _line(text, before):
        return (text.partition(before)[2].splitlines() or [""])[0]

    def takes(self, option):
        return option in self.options
