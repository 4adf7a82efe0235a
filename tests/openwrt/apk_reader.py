"""Reads apk's format of version 3: blocks, values, and what packages and indexes say in them."""

import hashlib
import struct
import subprocess
import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

Value = None | int | bytes | list["Value"] | dict[int, "Value"]


@dataclass
class Adb:
    """A file taken apart."""

    schema: bytes
    values: bytes
    signatures: list[bytes]
    data: list[bytes]
    root: dict[int, Value]


@dataclass
class Entry:
    """A file in a package."""

    path: str
    mode: int
    owner: tuple[bytes, bytes]
    mtime: int
    size: int
    target: bytes
    content: bytes | None


@dataclass
class Apk:
    """What a package says and holds."""

    adb: Adb
    info: dict[str, Value]
    folders: dict[str, tuple[int, bytes, bytes]]
    entries: list[Entry] = field(default_factory=list)
    scripts: dict[str, bytes] = field(default_factory=dict)


INFO = {
    1: "name", 2: "version", 3: "hashes", 4: "description", 5: "arch", 6: "license", 7: "origin", 8: "maintainer",
    9: "url", 10: "repo-commit", 11: "build-time", 12: "installed-size", 13: "file-size", 14: "provider-priority",
    15: "depends", 16: "provides", 17: "replaces", 18: "install-if", 19: "recommends", 20: "layer", 21: "tags",
}  # fmt: skip
SCRIPTS = {1: "trigger", 2: "pre-install", 3: "post-install", 4: "pre-deinstall", 5: "post-deinstall",
    6: "pre-upgrade", 7: "post-upgrade"}  # fmt: skip


def read(content: bytes) -> Adb:
    """Undoes compression and blocks."""
    assert content[:4] == b"ADBd", "not deflated, which is all that OpenWrt's apk reads"
    stream = zlib.decompressobj(-15)
    plain = stream.decompress(content[4:]) + stream.flush()
    assert stream.eof and not stream.unused_data, "bytes behind the end"
    assert plain[:4] == b"ADB."
    blocks: list[tuple[int, bytes]] = []
    at = 8
    while at < len(plain):
        (word,) = struct.unpack_from("<I", plain, at)
        size = word & 0x3FFF_FFFF
        blocks.append((word >> 30, plain[at + 4 : at + size]))
        assert len(blocks[-1][1]) == size - 4, "a block is cut off"
        end = at + size
        at = -(-end // 8) * 8
        assert plain[end:at] == bytes(at - end), "padding is not zero, or not there"
    kinds = [kind for kind, _ in blocks]
    assert kinds == sorted(kinds) and kinds.count(0) == 1, f"order of blocks: {kinds}"
    values = blocks[0][1]
    assert values[:4] == bytes(4), "versions"
    reader = _Reader(values)
    (root,) = struct.unpack_from("<I", values, 4)
    tree = reader.value(root)
    assert isinstance(tree, dict)
    return Adb(
        plain[4:8], values, [it for kind, it in blocks if kind == 1], [it for kind, it in blocks if kind == 2], tree
    )


def package(adb: Adb) -> Apk:
    """A package: every rule of the format that a reader could rely on is held here."""
    assert adb.schema == b"pckg"
    apk = Apk(adb, info(adb.root[1]), {})
    apk.scripts = {SCRIPTS[number]: text for number, text in _object(adb.root.get(3) or {}).items() if text}
    data = iter(adb.data)
    folders = _list(adb.root[2])
    for at, row in enumerate(folders, 1):
        name = (row.get(1) or b"").decode()
        apk.folders[name] = _acl(row[2])
        files = _list(row.get(3))
        names = [it[1] for it in files]
        assert names == sorted(set(names)), f"files of {name} are not in order"
        for number, it in enumerate(files, 1):
            apk.entries.append(_entry(name, it, (at, number), data))
    assert list(apk.folders) == sorted(apk.folders, key=str.encode) and next(iter(apk.folders)) == ""
    assert next(data, None) is None, "data of no file"
    name = bytes(20)
    zeroed = adb.values.replace(bytes([20]) + apk.info["hashes"], bytes([20]) + name, 1)
    assert hashlib.sha256(zeroed).digest()[:20] == apk.info["hashes"], "unique id"
    return apk


def info(row: Value) -> dict[str, Value]:
    """What is told of a package, by name; dependencies as names, and in order."""
    told: dict[str, Value] = {INFO[number]: value for number, value in _object(row).items() if value is not None}
    depends = [it[1] for it in _list(told.get("depends")) if list(it) == [1]]
    assert len(depends) == len(_list(told.get("depends"))) and depends == sorted(set(depends)), "dependencies"
    return told | {"depends": depends}


def verify(adb: Adb, public_pem: Path) -> None:
    """The only signature, by openssl."""
    (signature,) = adb.signatures
    assert signature[:2] == bytes([0, 4]), "version, and the hash: SHA-512"
    point = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", public_pem, "-outform", "DER"], capture_output=True, check=True
    ).stdout[-65:]
    assert signature[2:18] == hashlib.sha512(point).digest()[:16], "signed by another key"
    signed = adb.schema + signature[:18] + hashlib.sha512(adb.values).digest()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "s").write_bytes(signature[18:])
        verify = ["openssl", "dgst", "-sha512", "-verify", public_pem, "-signature", f"{folder}/s"]
        subprocess.run(verify, input=signed, capture_output=True, check=True)


def _entry(folder: str, row: dict[int, Value], index: tuple[int, int], data) -> Entry:
    mode, user, group = _acl(row[2])
    target, size = row.get(6) or b"", row.get(3) or 0
    content = None
    if not target:
        content = b""
        if size:
            block = next(data)
            assert struct.unpack_from("<II", block) == index, "data of another file"
            content = block[8:]
        assert len(content) == size, "size"
        assert hashlib.sha256(content).digest() == row[5], "hash"
    path = f"/{folder}/{row[1].decode()}".replace("//", "/")
    return Entry(path, mode, (user, group), row[4], size, target, content)


def _acl(row: Value) -> tuple[int, bytes, bytes]:
    assert list(_object(row)) == [1, 2, 3]
    return tuple(row.values())


def _object(value: Value) -> dict[int, Value]:
    assert isinstance(value, dict)
    return value


def _list(value: Value) -> list:
    assert value is None or isinstance(value, list)
    return value or []


class _Reader:
    """Values, wherever they stand; alignment and bounds are held."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def value(self, word: int) -> Value:
        kind, low = word >> 28, word & 0x0FFF_FFFF
        match kind:
            case 0:
                assert low == 0, "true and false are used nowhere"
                return None
            case 1:
                return low
            case 2:
                return self._number(low, 4)
            case 3:
                return self._number(low, 8)
            case 8:
                return self._blob(low, 1)
            case 9:
                return self._blob(low, 2)
            case 10:
                return self._blob(low, 4)
            case 13:
                return [self.value(it) for it in self._slots(low)]
            case 14:
                return {n: v for n, v in enumerate(map(self.value, self._slots(low)), 1) if v is not None}
        raise AssertionError(f"value of kind {kind}")

    def _number(self, at: int, size: int) -> int:
        assert at % 4 == 0 and 8 <= at <= len(self.raw) - size
        return int.from_bytes(self.raw[at : at + size], "little")

    def _blob(self, at: int, width: int) -> bytes:
        assert at % width == 0 and at >= 8
        size = int.from_bytes(self.raw[at : at + width], "little")
        blob = self.raw[at + width : at + width + size]
        assert size and len(blob) == size
        return blob

    def _slots(self, at: int) -> list[int]:
        assert at % 4 == 0 and at >= 8
        (count,) = struct.unpack_from("<I", self.raw, at)
        slots = list(struct.unpack_from(f"<{count - 1}I", self.raw, at + 4))
        assert slots and slots[-1], "nulls at the end are cut"
        return slots
