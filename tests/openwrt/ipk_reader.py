"""Reads an .ipk, byte by byte where a package manager would be lenient."""

import gzip
import zlib
from dataclasses import dataclass, field

BLOCK = 512


@dataclass
class Member:
    """One entry of a tar, every field that is not derived."""

    name: str
    kind: str
    mode: int
    owner: tuple[int, int]
    owner_names: tuple[bytes, bytes]
    mtime: int
    target: str
    content: bytes


@dataclass
class Ipk:
    """A package taken apart."""

    outer: list[Member]
    control: list[Member]
    data: list[Member]
    data_size: int
    fields: dict[str, str] = field(default_factory=dict)

    def beside(self, name: str) -> bytes:
        """A file of the control part."""
        return next(it.content for it in self.control if it.name == f"./{name}")


def read(content: bytes) -> Ipk:
    """Takes a package apart; anything unexpected is an error."""
    outer = untar(gunzip(content))
    parts = {it.name: it.content for it in outer}
    data = gunzip(parts["./data.tar.gz"])
    ipk = Ipk(outer, untar(gunzip(parts["./control.tar.gz"])), untar(data), len(data))
    ipk.fields = fields(ipk.beside("control").decode())
    return ipk


def gunzip(content: bytes) -> bytes:
    """Of one gzip member, without name or time."""
    assert content[:4] == b"\x1f\x8b\x08\x00", "no plain gzip"
    assert content[4:8] == bytes(4), "gzip tells a time"
    stream = zlib.decompressobj(31)
    plain = stream.decompress(content) + stream.flush()
    assert stream.eof and not stream.unused_data, "bytes behind the gzip"
    assert plain == gzip.decompress(content)
    return plain


def untar(tar: bytes) -> list[Member]:
    """The members of GNU's format."""
    assert len(tar) % (20 * BLOCK) == 0, "tar is written in records"
    members, at = [], 0
    while tar[at : at + BLOCK] != bytes(BLOCK):
        head = tar[at : at + BLOCK]
        size = int(head[124:135], 8)
        body = tar[at + BLOCK : at + BLOCK + size]
        padding = tar[at + BLOCK + size : at + BLOCK + -(-size // BLOCK) * BLOCK]
        assert padding == bytes(len(padding)), "padding is not zero"
        members.append(_member(head, body))
        at += BLOCK + -(-size // BLOCK) * BLOCK
    assert tar[at:] == bytes(len(tar) - at), "bytes behind the end"
    return members


def fields(control: str) -> dict[str, str]:
    """The fields of one stanza, in their order; lines that go on are joined by a newline."""
    found: dict[str, str] = {}
    name = ""
    for line in control.splitlines():
        if line.startswith(" "):
            found[name] += "\n" + line[1:]
        else:
            name, _, value = line.partition(": ")
            assert name not in found and value, f"field {line!r}"
            found[name] = value
    return found


def _member(head: bytes, body: bytes) -> Member:
    assert head[257:265] == b"ustar  \x00", "not GNU's tar"
    summed = sum(head[:148]) + 8 * 32 + sum(head[156:])
    assert int(head[148:154], 8) == summed, "wrong checksum"
    return Member(
        name=_text(head[:100]),
        kind={b"0": "file", b"5": "folder", b"2": "link"}[head[156:157]],
        mode=int(head[100:107], 8),
        owner=(int(head[108:115], 8), int(head[116:123], 8)),
        owner_names=(head[265:297].rstrip(b"\0"), head[297:329].rstrip(b"\0")),
        mtime=int(head[136:147], 8),
        target=_text(head[157:257]),
        content=body,
    )


def _text(raw: bytes) -> str:
    text, _, rest = raw.partition(b"\0")
    assert rest == bytes(len(rest))
    return text.decode()
