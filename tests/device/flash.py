"""A disk whose power can go: what was written to it, in order, and what of that is left afterwards.

qemu keeps a log of the writes beside the disk (its driver blklogwrites, in the format of Linux's dm-log-writes). What
was written after the last flush sits in the disk's own memory, and a power cut keeps as much of it as chance wants.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from random import Random

SECTOR = 512
_FLUSH, _FUA, _DISCARD = 1, 2, 4


@dataclass(frozen=True)
class Write:
    """One entry of the log. Without content it is a flush, or gives room back."""

    at: int
    content: bytes
    flags: int
    end: int  # of the entry in the log


def read_log(path: Path) -> list[Write]:
    """The entries that are whole, in their order. The head of the log lags behind them, so it is not asked."""
    log = path.read_bytes()
    entries, at = [], SECTOR
    while at + SECTOR <= len(log):
        sector, count, flags, _ = struct.unpack_from("<QQQQ", log, at)
        at += SECTOR
        if count == 0 and flags & _FLUSH == 0:
            break
        length = 0 if flags & _DISCARD else count * SECTOR
        if at + length > len(log):
            break
        content, at = log[at : at + length], at + length
        entries.append(Write(sector * SECTOR, content, flags, at))
    return entries


@dataclass(frozen=True)
class Loss:
    """What became of the writes that no flush had followed."""

    written: int
    unflushed: int
    lost: int
    torn: int


def cut(image: Path, entries: list[Write], chance: Random) -> Loss:
    """Makes `image` what the disk holds when its power comes back: it was what it held when the log began."""
    last = max((number for number, it in enumerate(entries) if it.flags & _FLUSH), default=-1)
    lost = torn = 0
    with image.open("r+b") as disk:
        for number, it in enumerate(entries):
            content = it.content
            if number > last and content and not it.flags & _FUA:
                fate = chance.random()
                if fate < 0.5:
                    lost += 1
                    continue
                if fate < 0.6:
                    torn += 1
                    content = content[: chance.randrange(len(content) // SECTOR + 1) * SECTOR]
            disk.seek(it.at)
            disk.write(content)
    unflushed = sum(1 for it in entries[last + 1 :] if it.content)
    return Loss(sum(1 for it in entries if it.content), unflushed, lost, torn)
