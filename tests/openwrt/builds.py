"""Runs `openwrt/package`, and makes what it needs: keys, and programs that are none."""

import os
import random
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
TARGETS = ("aarch64-unknown-linux-musl", "armv7-unknown-linux-musleabihf", "x86_64-unknown-linux-musl")
EPOCH = 1_700_000_000


def package(*options: str | Path, wanted: int = 0, **environment: str) -> str:
    """What the command prints, both streams; its exit code is as wanted."""
    done = subprocess.run(
        [TOP / "openwrt/package", *options],
        env=os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == wanted, f"exit code {done.returncode}: {done.stdout}"
    return done.stdout


def programs(folder: Path) -> Path:
    """A file for each target, of a size that the formats have to split."""
    for number, target in enumerate(TARGETS):
        path = folder / "binaries" / target / "release/lango"
        path.parent.mkdir(parents=True)
        path.write_bytes(random.Random(number).randbytes(70_000) + bytes(100_000))
    return folder / "binaries"


def key(folder: Path, name: str) -> Path:
    """A new key file."""
    package("--new-key", folder / name)
    return folder / name


def sample(folder: Path, key_file: Path, binaries: Path, *options: str, **environment: str) -> Path:
    """The sample packages, for two architectures."""
    package(
        "--manifest", HERE / "sample/manifest.toml", "--output", folder, "--key", key_file, "--binaries", binaries,
        "--arch", "aarch64_cortex-a53", "x86_64", *options, **environment,
    )  # fmt: skip
    return folder
