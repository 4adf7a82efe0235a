"""Reads a translation as LuCI does: by the hash of a text, in an index that is searched by halves."""

import struct


def read(lmo: bytes) -> dict[int, tuple[int, str]]:
    """Of each hash, how many forms the text has, and the translation."""
    (begins,) = struct.unpack_from(">I", lmo, len(lmo) - 4)
    rows = list(struct.iter_unpack(">4I", lmo[begins:-4]))
    hashes = [row[0] for row in rows]
    assert hashes == sorted(set(hashes)), "the index is not in order"
    found: dict[int, tuple[int, str]] = {}
    used = 0
    for hashed, forms, at, size in rows:
        assert at % 4 == 0 and at + size <= begins, "a text lies outside"
        found[hashed] = forms, lmo[at : at + size].decode()
        used += -(-size // 4) * 4
    assert used == begins, "texts that nobody finds"
    return found
