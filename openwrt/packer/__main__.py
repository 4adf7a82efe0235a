"""The command `openwrt/package`: what is asked for, in which order it is built, and what is said of it."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import apk, ipk, keys, manifest, opkg_index, version
from .boards import TARGETS, USUAL
from .payload import collect

OPENWRT = Path(__file__).resolve().parent.parent
TOP = OPENWRT.parent


def main() -> None:
    """Builds, or says in one line why not."""
    asked = _arguments()
    try:
        if asked.new_key:
            keys.save(asked.new_key, keys.make())
            print(f"{asked.new_key}  keep it secret; the public halves are written with the packages")
            return
        _build(asked)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        sys.exit(f"package: {error}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="openwrt/package", description="Builds OpenWrt packages of Lango.")
    parser.add_argument("--all", action="store_true", help="for every architecture")
    parser.add_argument(
        "--arch", nargs="+", choices=TARGETS, metavar="ARCH", help=f"one or more of {', '.join(TARGETS)}"
    )
    parser.add_argument("--key", type=Path, metavar="FILE", help="sign with the two keys in FILE")
    parser.add_argument("--new-key", type=Path, metavar="FILE", help="make FILE with two new keys, and nothing else")
    parser.add_argument("--binaries", type=Path, metavar="DIR", help="take DIR/TARGET/release/lango as they are")
    parser.add_argument("--manifest", type=Path, metavar="FILE", default=OPENWRT / "manifest.toml")
    parser.add_argument("--output", type=Path, metavar="DIR", default=TOP / "target/openwrt")
    return parser.parse_args()


def _build(asked: argparse.Namespace) -> None:
    epoch, pair = _epoch(), _keys(asked.key)
    described = manifest.read(asked.manifest)
    built_as = version.read(TOP, described.release)
    archs = list(TARGETS) if asked.all else asked.arch or list(USUAL)
    _clear(asked.output)
    binaries = asked.binaries or _cross({TARGETS[arch] for arch in archs})
    _put(asked.output / "keys" / "lango.pem", pair.apk.public_pem)
    _put(asked.output / "keys" / pair.opkg.number.hex(), pair.opkg.public_file())
    for arch in archs:
        _architecture(asked.output / arch, arch, described, built_as, binaries, epoch, pair)


def _architecture(
    out: Path, arch: str, described: manifest.Manifest, built_as: str, binaries: Path, epoch: int, pair: keys.Keys
) -> None:
    """A folder that is a repository for both package managers."""
    ipks, apks = [], []
    for package in described.packages:
        binary = binaries / TARGETS[arch] / "release/lango" if package.per_architecture else None
        payload = collect(package, described.folder, binary)
        if not payload.paths():
            print(f"{package.name} holds nothing yet, and is left out")
            continue
        old, new = (arch, arch) if package.per_architecture else ("all", "noarch")
        ipks.append(ipk.write(package, built_as, old, payload, epoch))
        apks.append(apk.write(package, built_as, new, payload, epoch, pair.apk.key_id, pair.apk.sign))
        for made in (ipks[-1], apks[-1]):
            _put(out / made.filename, made.content)
            print(f"{out / made.filename}  {len(made.content)} bytes, {apks[-1].about.installed} installed")
    index = opkg_index.write(ipks)
    _put(out / "Packages", index.plain)
    _put(out / "Packages.gz", index.compressed)
    _put(out / "Packages.sig", pair.opkg.sign(index.plain))
    _put(out / "packages.adb", apk.write_index(apks, f"Lango {built_as} {arch}", pair.apk.key_id, pair.apk.sign))


def _keys(path: Path | None) -> keys.Keys:
    if path:
        return keys.read(path.read_bytes())
    print("no --key: signed with keys made for this build and thrown away; no later build can be signed with them")
    return keys.read(keys.make())


def _epoch() -> int:
    """The one time in all packages: the commit's, unless the environment says another."""
    said = os.environ.get("SOURCE_DATE_EPOCH")
    if not said:
        log = ["git", "-C", str(TOP), "log", "-1", "--format=%ct"]
        said = subprocess.run(log, capture_output=True, text=True, check=True).stdout
    return int(said)


def _cross(targets: set[str]) -> Path:
    subprocess.run([TOP / "cross/build", *sorted(targets)], check=True)
    return TOP / "target"


def _clear(out: Path) -> None:
    """Removes an earlier build, and nothing else."""
    if out.exists() and any(out.iterdir()):
        if not (out / "keys/lango.pem").exists():
            raise ValueError(f"{out} holds something else than packages")
        shutil.rmtree(out)


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


main()
