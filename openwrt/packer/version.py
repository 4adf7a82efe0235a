"""The version of a package: cargo's, in the grammar that apk allows."""

import re
import tomllib
from pathlib import Path

_CARGO = re.compile(r"(\d+\.\d+\.\d+)(?:-(alpha|beta|rc)\.(\d+))?")


def of_cargo(cargo: str, release: int) -> str:
    """`1.0.0-rc.1` becomes `1.0.0_rc1-r1`; apk sorts that before `1.0.0-r1`."""
    parts = _CARGO.fullmatch(cargo)
    if parts is None:
        raise ValueError(f"version {cargo}: apk has no way to write it")
    number, stage, count = parts.groups()
    return f"{number}{f'_{stage}{count}' if stage else ''}-r{release}"


def read(top: Path, release: int) -> str:
    """The version that `Cargo.toml` in `top` says."""
    cargo = tomllib.loads((top / "Cargo.toml").read_text())
    return of_cargo(cargo["package"]["version"], release)
