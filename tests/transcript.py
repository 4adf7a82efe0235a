#!/usr/bin/env python3
"""Holds the README to what the program prints.

    tests/transcript.py check|write FOLDER

Behind each remark `<!-- shown by tests/try: NAME -->` of the README stands a block that FOLDER/NAME has anew, from a
hotspot that just ran. `check` compares them and ends with 1 where they differ, `write` puts the new ones in. What is
another each time is masked: addresses, codes, times, amounts; and the lines of the clock, the memory and the disk,
since not every machine has a time server or has its temporary files on a disk.
"""

import difflib
import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCK = re.compile(r"(<!-- shown by tests/try: (\w+) -->\n```\n)(.*?)(```\n)", re.S)

MASKS = [
    (r"(?m)^(ok  |warn|FAIL)  (clock|memory|room|keeping)\b.*\n(      -> .*\n)?", ""),
    (r"/tmp/tmp\.\w+", "FOLDER"),
    (r"\b\d+ of at most \d+ are followed", "COUNT are followed"),
    (r": (all is well|\d+ to look at)$", ": VERDICT"),
    (r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "MAC"),
    (r"\b10\.77\.[45]\.\d+", "IPV4"),
    (r"\b2001:db8:77:0:[0-9a-f:]+", "IPV6"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"\b\d{4} \d{4} \d\d\b", "CODE"),
    (r"\b\d+(\.\d+)? (s|min|h|d|[kMG]?bit/s|[kMG]?B)(?![\w/])", "AMOUNT"),
    (r"AMOUNT( AMOUNT)+", "AMOUNT"),
    (r" +", " "),
]


def masked(text):
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text, flags=re.M)
    return text.splitlines()


def main(verb, folder):
    text, shown = README.read_text(), {path.name: path.read_text() for path in Path(folder).iterdir()}
    names = {name for _, name, _, _ in BLOCK.findall(text)}
    if names != shown.keys():
        print(f"FAIL  README.md has blocks for {sorted(names)}, and there are {sorted(shown)}")
        return 1
    if verb == "write":
        README.write_text(BLOCK.sub(lambda found: found[1] + shown[found[2]] + found[4], text))
        return 0
    differs = 0
    for _, name, old, _ in BLOCK.findall(text):
        change = list(difflib.unified_diff(masked(old), masked(shown[name]), "README.md", "shown", lineterm="", n=0))
        print(f"FAIL  {name}: tests/try --write brings it up to date" if change else f"ok    {name}: as in the README")
        print("\n".join(change), end="\n" if change else "")
        differs += bool(change)
    return 1 if differs else 0


if len(sys.argv) != 3 or sys.argv[1] not in ("check", "write"):
    sys.exit(__doc__)
sys.exit(main(sys.argv[1], sys.argv[2]))
