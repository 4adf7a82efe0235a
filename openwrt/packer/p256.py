"""ECDSA on P-256 over SHA-512, with the nonce of RFC 6979: the same input is signed by the same bytes.

openssl draws its nonces, and a package could not be built twice. Not in constant time: for who signs at home.
"""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Final

_P: Final = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_N: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G: Final = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)

_Point = tuple[int, int] | None


def sign(secret: int, message: bytes) -> bytes:
    """The signature, in DER."""
    digest = hashlib.sha512(message).digest()
    hashed = int.from_bytes(digest, "big") >> 256  # the leftmost bits, as many as the order has
    for nonce in _nonces(secret, hashed):
        point = _times(nonce, _G)
        r = point[0] % _N if point else 0
        s = pow(nonce, -1, _N) * (hashed + r * secret) % _N
        if r and s:
            return _sequence(_integer(r) + _integer(s))
    raise AssertionError("there is always another nonce")


def _nonces(secret: int, hashed: int) -> Iterator[int]:
    seed = secret.to_bytes(32, "big") + (hashed % _N).to_bytes(32, "big")
    key, value = bytes(64), b"\x01" * 64
    for step in (b"\x00", b"\x01"):
        key = _hmac(key, value + step + seed)
        value = _hmac(key, value)
    while True:
        value = _hmac(key, value)
        nonce = int.from_bytes(value, "big") >> 256
        if 1 <= nonce < _N:
            yield nonce
        key = _hmac(key, value + b"\x00")
        value = _hmac(key, value)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha512")


def _times(factor: int, point: _Point) -> _Point:
    total: _Point = None
    while factor:
        if factor & 1:
            total = _plus(total, point)
        point = _plus(point, point)
        factor >>= 1
    return total


def _plus(left: _Point, right: _Point) -> _Point:
    if left is None or right is None:
        return left or right
    (x1, y1), (x2, y2) = left, right
    if x1 == x2 and (y1 + y2) % _P == 0:
        return None
    slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, _P) if left == right else (y2 - y1) * pow(x2 - x1, -1, _P)
    x = (slope * slope - x1 - x2) % _P
    return x, (slope * (x1 - x) - y1) % _P


def _integer(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes([len(raw)]) + raw


def _sequence(content: bytes) -> bytes:
    return b"\x30" + bytes([len(content)]) + content
