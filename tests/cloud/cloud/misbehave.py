"""What a fault does to a page before it is signed, and to an answer after."""

import json

from . import feed

CAPTIVE = b"<html><title>Welcome</title><a href=http://login.hotel.example/>Log in</a></html>"


def page(faults, page, before):
    """The page as a cloud with these faults would make it; `before`: the one of the request before."""
    if "replayed" in faults and before is not None:
        return before
    if "wrong_site" in faults:
        page["site"] += "-other"
    if "old_cursor" in faults:
        epoch, seq = page["cursor"].split(".")
        page["cursor"] = f"{max(int(epoch) - 1, 0)}.{seq}"
    if "skipped" in faults:
        page["since"] = "1.1" if page["since"] != "1.1" else "1.2"
    if "endless" in faults:
        page |= {"ops": [], "more": True, "cursor": page["since"] or "1.0"}
        page.pop("digest", None)
    if "stale" in faults:
        page["not_after"] = feed.stamp(-3600)
    if "wrong_digest" in faults and not page["more"]:
        page["digest"] = "0" * 64
    if "wrong_time" in faults:
        page["time"] = feed.stamp(int(faults["wrong_time"]))
    if "unknown" in faults:
        page["ops"] += [
            {"op": "put", "kind": "coupon", "id": "x-1", "percent": 20},
            {"op": "rename", "kind": "voucher", "id": "x-2"},
            {"op": "put", "kind": "plan", "id": "with-new-field", "title": {"en": "New"}, "metered_s": 60, "mood": "good"},
        ]
        page["weather"] = {"rain": True}
    return page


def status(faults):
    """The status to answer with in place of everything else, or None."""
    return int(faults["status"]) if "status" in faults else None


def body(faults, body):
    """The body's bytes, and whether they are JSON still."""
    if "html" in faults:
        return CAPTIVE, "text/html"
    if "bad_json" in faults:
        return body[: len(body) // 2] + b'"]}', "application/json"
    if "big" in faults:
        filler = json.dumps("x" * 1000).encode() + b","
        count = int(float(faults["big"]) * 1_000_000) // len(filler)
        return b'{"filler":[' + filler * count + b'""],' + body[1:], "application/json"
    return body, "application/json"
