"""What cloud and gateway compute alike: normal forms, keys, digests, self-verifying codes, the trail.

tests/golden/codes.json and audit.json hold what must come out; `tests/cloud/check` compares.
"""

import hashlib
import hmac
import secrets

PAYLOADS = 1 << 20
SERIALS = 1 << 16
TAGS = 10**15 // PAYLOADS


def normal(kind, text):
    """The form in which a code, a reference or a name is hashed."""
    if kind == "account":
        return text.strip().lower()
    bare = "".join(text.split()).upper()
    if kind == "payment":
        return bare
    return bare.replace("-", "").replace("O", "0").replace("I", "1").replace("L", "1")


def key(site_key, kind, text):
    """The key of a voucher, payment or account: 32 hex digits."""
    message = kind.encode() + b"\0" + normal(kind, text).encode()
    return _hmac(site_key, message)[:16].hex()


def digest(lines):
    """SHA-256 over the `kind:key` lines of all live rows, sorted by their bytes, each ended by a line feed."""
    return hashlib.sha256("".join(line + "\n" for line in sorted(lines)).encode()).hexdigest()


def bound(before, fact):
    """The hash of an event `audit` whose row follows one with the hash `before`."""
    lines = (before, *(fact[field] for field in ("row", "at", "clock", "who", "action", "detail")))
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def listed():
    """A random code of ten digits."""
    digits = f"{secrets.randbelow(10**10):010}"
    return f"{digits[:4]} {digits[4:8]} {digits[8:]}"


def self_verifying(site_key, number, plan, serial):
    """The code of a plan number (0 to 15) and a serial (0 to 65535) under key `number` (0 to 9) of the site."""
    if not (0 <= number <= 9 and 0 <= plan <= 15 and 0 <= serial < SERIALS):
        raise ValueError("a key number has 1 digit, a plan number is at most 15, a serial at most 65535")
    secret = self_verifying_key(site_key, number)
    payload = plan * SERIALS + serial
    tag = _number(secret, b"tag", payload) % TAGS
    hidden = payload ^ (_number(secret, b"mask", tag) % PAYLOADS)
    digits = f"{number}{tag * PAYLOADS + hidden:015}"
    return " ".join(digits[at : at + 4] for at in range(0, 16, 4))


def self_verifying_key(site_key, number):
    """The key that whoever issues codes of this number has to know; the site key is not needed for it."""
    return _hmac(site_key, b"self-verifying\0" + bytes([number]))


def _number(secret, label, value):
    return int.from_bytes(_hmac(secret, label + b"\0" + value.to_bytes(8, "big"))[:8], "big")


def _hmac(secret, message):
    return hmac.new(secret, message, hashlib.sha256).digest()
