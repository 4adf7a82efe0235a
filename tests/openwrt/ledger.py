"""Runs checks and counts them, as `pass` and `fail` of tests/setup do."""

import sys
import traceback
from collections.abc import Callable

_failed: list[str] = []
_passed: list[str] = []


def check(what: str, run: Callable[[], None]) -> None:
    """One check: it passes unless it raises."""
    try:
        run()
    except Exception:
        _failed.append(what)
        print(f"FAIL  {what}")
        traceback.print_exc(file=sys.stdout)
    else:
        _passed.append(what)
        print(f"ok    {what}")


def same(got: object, wanted: object) -> None:
    """Fails with both values."""
    assert got == wanted, f"\n  got    {got!r}\n  wanted {wanted!r}"


def fails(what: type[Exception] | tuple[type[Exception], ...], run: Callable[[], object]) -> None:
    """Fails if this does not."""
    try:
        run()
    except what:
        return
    raise AssertionError("this should not have passed")


def closing() -> None:
    """Prints the count, and ends the program."""
    print(f"{len(_passed)} passed, {len(_failed)} failed")
    sys.exit(1 if _failed or not _passed else 0)
