"""apk's database format, version 3: typed values in one block, signed, with blocks of data behind it.

A value is 32 bits: four say what it is, the rest is the value itself or where it stands. Numbers are little-endian.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Final

PACKAGE: Final = int.from_bytes(b"pckg", "little")
INDEX: Final = int.from_bytes(b"indx", "little")

NULL: Final = 0

_INT, _INT32, _INT64, _BLOB8, _BLOB16, _BLOB32, _ARRAY, _OBJECT = 0x1, 0x2, 0x3, 0x8, 0x9, 0xA, 0xD, 0xE
_BLOCK_ADB, _BLOCK_SIGNATURE, _BLOCK_DATA = 0, 1, 2
_SHA512: Final = 4
_HEAD: Final = 8  # what stands before the first value: two versions, padding, the root

# Signs bytes with ECDSA over SHA-512; the answer is in DER.
Sign = Callable[[bytes], bytes]


class Values:
    """The block of values. What is equal is written once."""

    def __init__(self) -> None:
        self._bytes = bytearray(_HEAD)
        self._known: dict[tuple[int, bytes], int] = {}

    def number(self, value: int) -> int:
        """An unsigned number."""
        if value < 1 << 28:
            return _INT << 28 | value
        if value < 1 << 32:
            return self._shared(_INT32, struct.pack("<I", value), 4)
        return self._shared(_INT64, struct.pack("<Q", value), 4)

    def blob(self, value: bytes | str) -> int:
        """Text or bytes; nothing at all is null."""
        raw = value.encode() if isinstance(value, str) else value
        if not raw:
            return NULL
        if len(raw) < 1 << 8:
            return self._shared(_BLOB8, bytes([len(raw)]) + raw, 1)
        if len(raw) < 1 << 16:
            return self._shared(_BLOB16, struct.pack("<H", len(raw)) + raw, 2)
        return self._shared(_BLOB32, struct.pack("<I", len(raw)) + raw, 4)

    def object(self, fields: dict[int, int]) -> int:
        """An object of numbered fields, 1 and up."""
        slots = [fields.get(number, NULL) for number in range(1, max(fields, default=0) + 1)]
        return self._slots(_OBJECT, slots)

    def array(self, items: Sequence[int]) -> int:
        """A list; the caller has put it in the order that its schema wants."""
        return self._slots(_ARRAY, list(items))

    def hole(self, size: int) -> tuple[int, int]:
        """Zeros to be filled by `seal`: their value, and where they are."""
        value = self._append(_BLOB8, bytes([size]) + bytes(size), 1)
        return value, (value & 0x0FFF_FFFF) + 1

    def finish(self, root: int) -> bytes:
        """The whole block."""
        struct.pack_into("<I", self._bytes, 4, root)
        return bytes(self._bytes)

    def _slots(self, kind: int, slots: list[int]) -> int:
        while slots and slots[-1] == NULL:
            slots.pop()
        if not slots:
            return NULL
        return self._shared(kind, struct.pack(f"<{len(slots) + 1}I", len(slots) + 1, *slots), 4)

    def _shared(self, kind: int, raw: bytes, align: int) -> int:
        if (kind, raw) not in self._known:
            self._known[kind, raw] = self._append(kind, raw, align)
        return self._known[kind, raw]

    def _append(self, kind: int, raw: bytes, align: int) -> int:
        self._bytes += bytes(-len(self._bytes) % align)
        at = len(self._bytes)
        self._bytes += raw
        return kind << 28 | at


def seal(values: bytes, at: int, size: int) -> bytes:
    """Fills the hole with the name of what was there while it was empty."""
    name = hashlib.sha256(values).digest()[:size]
    return values[:at] + name + values[at + size :]


def container(schema: int, values: bytes, key_id: bytes, sign: Sign, data: Sequence[bytes] = ()) -> bytes:
    """The file: values, the signature over them, data; deflated, which is all that OpenWrt's apk can read."""
    head = struct.pack("<BB16s", 0, _SHA512, key_id)
    signed = struct.pack("<I", schema) + head + hashlib.sha512(values).digest()
    blocks = [_block(_BLOCK_ADB, values), _block(_BLOCK_SIGNATURE, head + sign(signed))]
    blocks += [_block(_BLOCK_DATA, it) for it in data]
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    plain = b"ADB." + struct.pack("<I", schema) + b"".join(blocks)
    return b"ADBd" + squeeze.compress(plain) + squeeze.flush()


def _block(kind: int, content: bytes) -> bytes:
    size = 4 + len(content)
    if size >= 1 << 30:
        raise ValueError("a block of a gigabyte has another form")
    return struct.pack("<I", kind << 30 | size) + content + bytes(-size % 8)
