"""`Packages`, the index that opkg looks packages up in."""

import hashlib
from dataclasses import dataclass
from typing import Final

from .ipk import Ipk, gzip

# Of no use to opkg, and every router reads the whole index.
_LEFT_OUT: Final = ("Maintainer:", "LicenseFiles:", "Source:", "SourceName:", "Require-User:", "SourceDateEpoch:")


@dataclass(frozen=True)
class Index:
    """The index, and the same compressed. What is signed is the former."""

    plain: bytes
    compressed: bytes


def write(ipks: list[Ipk]) -> Index:
    """The index of packages that lie beside it."""
    plain = "".join(_stanza(ipk) for ipk in sorted(ipks, key=lambda ipk: ipk.filename)).encode()
    # usign has counted wrong at these lengths, so nobody signs them.
    if (64 + len(plain)) % 128 in (110, 111):
        plain += b"\n\n"
    return Index(plain, gzip(plain))


def _stanza(ipk: Ipk) -> str:
    lines = [line for line in ipk.control.splitlines() if not line.startswith(_LEFT_OUT)]
    at = next(number for number, line in enumerate(lines) if line.startswith("Description:"))
    sha256 = hashlib.sha256(ipk.content).hexdigest()
    lines[at:at] = [f"Filename: {ipk.filename}", f"Size: {len(ipk.content)}", f"SHA256sum: {sha256}"]
    return "\n".join(lines) + "\n\n"
