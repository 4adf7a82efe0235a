"""The packages that are handed out: each holds the program for its boards, and the sizes are as promised."""

import struct
from pathlib import Path

import apk_reader
import ipk_reader
from ledger import check, same

# Of an ELF file: the machine, by how OpenWrt's architecture begins.
MACHINES = {"aarch64": 183, "arm": 40, "x86_64": 62}
INSTALLED_MOST = 3_660_000  # the aim is 3.2 MB on the flash of an access point, which compresses it again


def run(out: Path) -> None:
    """All of them."""
    for folder in sorted(it for it in out.iterdir() if it.name != "keys"):
        check(f"{folder.name}: the program for these boards, in both formats", lambda it=folder: _program(it))
        check(f"{folder.name}: architecture, and no more than the flash takes", lambda it=folder: _sizes(it))


def _program(folder: Path) -> None:
    ipk = ipk_reader.read(next(folder.glob("lango_*.ipk")).read_bytes())
    apk = apk_reader.package(apk_reader.read(next(folder.glob("lango-*.apk")).read_bytes()))
    (elf,) = [it.content for it in ipk.data if it.name == "./usr/sbin/lango" and it.mode == 0o755]
    (same_elf,) = [it.content for it in apk.entries if it.path == "/usr/sbin/lango" and it.mode == 0o755]
    assert elf == same_elf
    machine = MACHINES[folder.name.split("_cortex")[0].split("_generic")[0]]
    same((elf[:4], struct.unpack_from("<H", elf, 18)[0]), (b"\x7fELF", machine))
    # What is in both, but for the lists that opkg keeps for itself.
    files = {it.name[1:]: (it.mode, it.content) for it in ipk.data if it.kind == "file"}
    same({it.path: (it.mode, it.content) for it in apk.entries if "/lib/apk/" not in it.path and not it.target}, files)
    same({it.path for it in apk.entries if it.target}, {it.name[1:] for it in ipk.data if it.kind == "link"})


def _sizes(folder: Path) -> None:
    path = next(folder.glob("lango-*.apk"))
    apk = apk_reader.package(apk_reader.read(path.read_bytes()))
    same(apk.info["arch"], folder.name.encode())
    same(ipk_reader.read(next(folder.glob("lango_*.ipk")).read_bytes()).fields["Architecture"], folder.name)
    print(f"      {path.name}: {path.stat().st_size} bytes, {apk.info['installed-size']} installed")
    if folder.name != "x86_64":
        assert apk.info["installed-size"] <= INSTALLED_MOST
