"""Whether what a gateway sends has the form of openapi.yaml. Each gives the thing, or a text that says what is wrong."""

import datetime
import re

CURSOR = re.compile(r"(0|[1-9][0-9]{0,18})\.(0|[1-9][0-9]{0,18})", re.ASCII)
WAIT = re.compile(r"[0-9]{1,2}", re.ASCII)
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
PHONE = re.compile(r"\+?[0-9]{5,15}", re.ASCII)
OTP = re.compile(r"[0-9]{4,8}", re.ASCII)
AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
KEY = re.compile(r"[A-Za-z0-9+/]{43}=")
# What a row of the trail has besides its number.
WORDS = ("who", "action", "detail", "hash")
ANY = re.compile(r".*", re.DOTALL)
CLOCKS = ("trusted", "floor")
SEQ_MAX = 2**63 - 1


def batch(body):
    """A batch of events."""
    if not isinstance(body, dict):
        return "not an object"
    if not (_is(body.get("device"), NAME) and _is(body.get("boot"), NAME)):
        return "device and boot have 1 to 64 letters, digits, '.', '_', '-'"
    facts = body.get("events")
    if not isinstance(facts, list) or not facts:
        return "events is a list that is not empty"
    for fact in facts:
        if not isinstance(fact, dict) or not _is_whole(fact.get("seq")) or not 1 <= fact["seq"] <= SEQ_MAX:
            return "an event has a number, from 1"
        if not (_is_time(fact.get("at")) and fact.get("clock") in CLOCKS and _is(fact.get("type"), NAME)):
            return f"event {fact['seq']} lacks at, clock or type"
        if fact["type"] == "audit" and not (_is_whole(fact.get("row")) and all(_is(fact.get(f), ANY) for f in WORDS)):
            return f"event {fact['seq']} is no row of a trail"
        fact["seq"] = int(fact["seq"])
    return body | {"events": sorted(facts, key=lambda fact: fact["seq"])}


def lookup(body):
    """A guest's reference, or phone, or phone and one-time code; and the device."""
    if not isinstance(body, dict) or not _is(body.get("mac"), MAC):
        return "a lookup names the mac"
    given = {name: body[name] for name in ("reference", "phone", "otp") if name in body}
    if set(given) == {"reference"} and isinstance(given["reference"], str) and 1 <= len(given["reference"]) <= 64:
        return body
    if set(given) in ({"phone"}, {"phone", "otp"}) and _is(given["phone"], PHONE) and _is(given.get("otp", "0000"), OTP):
        return body
    return "a lookup names a reference, or a phone with or without otp"


def enrolment(body):
    """A claim, and the gateway that makes it."""
    if not isinstance(body, dict):
        return "not an object"
    claim = body.get("claim")
    if not (isinstance(claim, str) and 1 <= len(claim) <= 128 and _is(body.get("device"), NAME)):
        return "an enrolment has claim and device"
    return body if _is(body.get("public_key"), KEY) else "public_key is 32 bytes in base64"


def _is(value, pattern):
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_time(value):
    if not _is(value, AT):
        return False
    try:
        datetime.datetime.fromisoformat(value.removesuffix("Z"))
    except ValueError:
        return False
    return True


def _is_whole(value):
    return not isinstance(value, bool) and (isinstance(value, int) or isinstance(value, float) and value.is_integer())
