"""The keys that packages are signed with: one PEM file with a P-256 key, for apk, and an Ed25519 key, for opkg.

Secrets reach `openssl` on its standard input, and no file but the one that the operator named.
"""

import base64
import hashlib
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import p256

_PEM = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----\n", re.DOTALL)


@dataclass(frozen=True)
class ApkKey:
    """Signs packages and indexes of apk."""

    secret: int
    point: bytes
    public_pem: bytes

    @property
    def key_id(self) -> bytes:
        """How apk finds the key among those it trusts."""
        return hashlib.sha512(self.point).digest()[:16]

    def sign(self, message: bytes) -> bytes:
        """ECDSA over SHA-512, DER."""
        return p256.sign(self.secret, message)


@dataclass(frozen=True)
class OpkgKey:
    """Signs `Packages` in the format of signify, which OpenWrt's usign shares."""

    pem: bytes
    public: bytes

    @property
    def number(self) -> bytes:
        """The key's number; its file in /etc/opkg/keys is named so."""
        return hashlib.sha512(self.public).digest()[:8]

    def public_file(self) -> bytes:
        """What a router keeps."""
        return _commented(f"public key {self.number.hex()}", b"Ed" + self.number + self.public)

    def sign(self, message: bytes) -> bytes:
        """The signature, as its file."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(message)
            file.flush()
            signature = _openssl("pkeyutl", "-sign", "-rawin", "-inkey", "/dev/stdin", "-in", file.name, given=self.pem)
        return _commented(f"signed by key {self.number.hex()}", b"Ed" + self.number + signature)


@dataclass(frozen=True)
class Keys:
    """Both."""

    apk: ApkKey
    opkg: OpkgKey


def make() -> bytes:
    """A new pair, as the PEM file."""
    curve = _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    return curve + _openssl("genpkey", "-algorithm", "ed25519")


def save(path: Path, pem: bytes) -> None:
    """Writes a new key file, for its owner only; never over one that is there."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)


def read(pem: bytes) -> Keys:
    """The two keys of a PEM file, in either order."""
    apk, opkg = None, None
    for block in _PEM.finditer(pem.decode()):
        key = block.group().encode()
        public = _openssl("pkey", "-in", "/dev/stdin", "-pubout", "-outform", "DER", given=key)
        text = _openssl("pkey", "-in", "/dev/stdin", "-noout", "-text", given=key).decode()
        if "prime256v1" in text:
            apk = ApkKey(_secret(text), public[-65:], _openssl("pkey", "-in", "/dev/stdin", "-pubout", given=key))
        elif text.startswith("ED25519"):
            opkg = OpkgKey(key, public[-32:])
    if apk is None or opkg is None:
        raise ValueError("a key file holds two private keys in PEM: one on P-256, and one of Ed25519")
    return Keys(apk, opkg)


def _secret(text: str) -> int:
    found = re.search(r"priv:\n((?: +[0-9a-f:]+\n)+)", text)
    if found is None:
        raise ValueError("openssl shows no private key")
    return int("".join(found.group(1).split()).replace(":", ""), 16)


def _commented(comment: str, raw: bytes) -> bytes:
    return f"untrusted comment: {comment}\n{base64.b64encode(raw).decode()}\n".encode()


def _openssl(*arguments: str, given: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=False)
    if done.returncode:
        raise ValueError(f"openssl {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout
