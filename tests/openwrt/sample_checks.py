"""The sample packages against what they have to be, to the letter."""

import hashlib
import subprocess
import tempfile
from pathlib import Path

import apk_reader
import ipk_reader
import lmo_reader
from builds import EPOCH, HERE
from ledger import check, same

VERSION = "0.1.0-r7"
ARCH = "aarch64_cortex-a53"
CONFIG = (HERE / "sample/config").read_bytes()
INIT = (HERE / "sample/init").read_bytes()

# Path, mode and content (None: the program), sorted; links apart.
FILES = [
    ("/etc/config/lango", 0o600, CONFIG),
    ("/etc/init.d/lango", 0o755, INIT),
    ("/etc/init.d/lango-hold", 0o755, INIT),
    ("/lib/upgrade/keep.d/lango", 0o644, b"/etc/lango/\n"),
    ("/top", 0o644, CONFIG),
    ("/usr/sbin/lango", 0o755, None),
    ("/usr/share/lango.json", 0o640, CONFIG),
    ("/usr/share/lango/empty", 0o644, b""),
]
LINK = ("/usr/libexec/rpcd/lango", "/usr/sbin/lango")
FOLDERS = [
    "/etc", "/etc/config", "/etc/init.d", "/lib", "/lib/upgrade", "/lib/upgrade/keep.d", "/usr", "/usr/libexec",
    "/usr/libexec/rpcd", "/usr/sbin", "/usr/share", "/usr/share/lango",
]  # fmt: skip
LISTED = sorted([path for path, _, _ in FILES] + [LINK[0], "/lib/apk/packages/lango.rusers"], key=str.encode)
LISTS = {
    "rusers": b"lango=468:lango=468\n",
    "list": "".join(f"{path}\n" for path in LISTED).encode(),
    "conffiles": b"/etc/lango/\n/etc/config/lango\n",
    "conffiles_static": f"/etc/config/lango {hashlib.sha256(CONFIG).hexdigest()}\n".encode(),
}
CONTROL = {
    "Package": "lango",
    "Version": VERSION,
    "Depends": "libc, kmod-nft-nat, kmod-nft-core",
    "Source": "feeds/lango/lango",
    "SourceName": "lango",
    "License": "Apache-2.0 OR MIT",
    "LicenseFiles": "LICENSE",
    "Section": "net",
    "Require-User": "lango=468:lango=468",
    "SourceDateEpoch": str(EPOCH),
    "Maintainer": "Nobody",
    "Architecture": ARCH,
    "Installed-Size": "",
    "Description": "Two lines, the\nsecond is longer.",
}
INFO = {
    "name": b"lango",
    "version": VERSION.encode(),
    "description": b"Two lines, the second is longer.",
    "arch": ARCH.encode(),
    "license": b"Apache-2.0 OR MIT",
    "origin": b"feeds/lango/lango",
    "maintainer": b"Nobody",
    "build-time": EPOCH,
    "depends": [b"kmod-nft-core", b"kmod-nft-nat", b"libc"],
}


def run(out: Path, program: bytes) -> None:
    """All of them; `out` is what was built."""
    _ipk(out / ARCH, program)
    _apk(out / ARCH, program)
    _tree(out / ARCH)


def _wanted(program: bytes) -> list[tuple[str, int, bytes]]:
    return [(path, mode, program if content is None else content) for path, mode, content in FILES]


def _ipk(out: Path, program: bytes) -> None:
    path = out / f"lango_{VERSION}_{ARCH}.ipk"
    ipk = ipk_reader.read(path.read_bytes())

    def outer() -> None:
        names = [(it.name, it.mode) for it in ipk.outer]
        same(names, [("./debian-binary", 0o644), ("./data.tar.gz", 0o644), ("./control.tar.gz", 0o644)])
        same(ipk.outer[0].content, b"2.0\n")

    def fields() -> None:
        same(list(ipk.fields.items()), list((CONTROL | {"Installed-Size": str(ipk.data_size)}).items()))

    def beside() -> None:
        names = [(it.name, it.mode) for it in ipk.control]
        same(names[0], ("./", 0o755))
        same(dict(names[1:]), {
            "./conffiles": 0o644, "./control": 0o644, "./postinst": 0o755, "./postinst-pkg": 0o755, "./prerm": 0o755,
            "./prerm-pkg": 0o755,
        })  # fmt: skip
        same(names[1:], sorted(names[1:]))
        same(ipk.beside("conffiles"), b"/etc/config/lango\n")
        same(ipk.beside("postinst-pkg").splitlines()[0], b"#!/bin/sh")

    def data() -> None:
        files = [(it.name[1:], it.mode, it.content) for it in ipk.data if it.kind == "file"]
        same(sorted(files), sorted(_wanted(program)))
        same([(it.name[1:], it.target, it.mode) for it in ipk.data if it.kind == "link"], [(*LINK, 0o777)])
        folders = [(it.name, it.mode) for it in ipk.data if it.kind == "folder"]
        same(folders, [(f".{folder}/", 0o755) for folder in ["", *FOLDERS]])

    def order() -> None:
        names = [it.name.rstrip("/") for it in ipk.data]
        same(names, sorted(names, key=lambda name: name.encode().split(b"/")))

    def owners() -> None:
        every = ipk.outer + ipk.control + ipk.data
        same({(it.owner, it.owner_names, it.mtime) for it in every}, {((0, 0), (b"", b""), EPOCH)})

    def real_tar() -> None:
        tar = subprocess.run(["tar", "-tz"], input=_part(path, "./data.tar.gz"), capture_output=True, check=True)
        same(tar.stdout.decode().split(), [it.name for it in ipk.data])
        same(tar.stderr, b"")

    check("ipk: three parts in their order", outer)
    check("ipk: every field of control, in order", fields)
    check("ipk: scripts and conffiles, and their modes", beside)
    check("ipk: every file, folder and link, with mode and content", data)
    check("ipk: sorted, folders before what is in them", order)
    check("ipk: all root's, and of one time", owners)
    check("ipk: tar lists the same", real_tar)


def _part(path: Path, name: str) -> bytes:
    with path.open("rb") as file:
        return subprocess.run(["tar", "-xzO", name], stdin=file, capture_output=True, check=True).stdout


def _apk(out: Path, program: bytes) -> None:
    adb = apk_reader.read((out / f"lango-{VERSION}.apk").read_bytes())
    apk = apk_reader.package(adb)
    shipped = _wanted(program) + [(f"/lib/apk/packages/lango.{name}", 0o644, text) for name, text in LISTS.items()]

    def info() -> None:
        told = {name: value for name, value in apk.info.items() if name not in ("hashes", "installed-size")}
        same(told, INFO)
        same(apk.info["installed-size"], sum(len(content) for _, _, content in shipped))
        same(set(adb.root), {1, 2, 3})

    def files() -> None:
        got = [(it.path, it.mode, it.content) for it in apk.entries if not it.target]
        same(sorted(got), sorted(shipped))
        links = [(it.path, it.target, it.size, it.mode) for it in apk.entries if it.target]
        same(links, [(LINK[0], b"\x00\xa0" + LINK[1].encode(), len(LINK[1]), 0o777)])

    def folders() -> None:
        wanted = sorted([it[1:] for it in [*FOLDERS, "/lib/apk", "/lib/apk/packages"]] + [""], key=str.encode)
        same(apk.folders, dict.fromkeys(wanted, (0o755, b"root", b"root")))

    def owners() -> None:
        same({(it.owner, it.mtime) for it in apk.entries}, {((b"root", b"root"), EPOCH)})

    def scripts() -> None:
        same(set(apk.scripts), {"post-install", "post-upgrade", "pre-deinstall"})
        for text in apk.scripts.values():
            same(text.count(b"#!"), 1)
            same(text.splitlines()[0], b"#!/bin/sh")

    check("apk: all that is told of it", info)
    check("apk: every file and link, with mode, hash and content", files)
    check("apk: every folder, sorted, the root first", folders)
    check("apk: all root's, and of one time", owners)
    check("apk: its scripts", scripts)


LMO = "/usr/lib/lua/luci/i18n/lango.sw.lmo"
# By the hashes that LuCI's own tool gives these texts: the rule of plurals, two forms of two, and what has one.
TRANSLATED = {
    0: (0, "nplurals=2; plural=(n != 1);"),
    0x0740778C: (2, "vifaa %d"),
    0x23CA9E1B: (2, "kifaa %d"),
    0x29040333: (2, "a"),
    0x3EC62501: (1, "Vocha"),
    0xA1068B73: (2, "bcde"),
    0xC8B129E7: (1, "Fungua"),
    0xD1CB6E19: (1, 'Mstari unaoendelea "hapa" – é'),
}


def _tree(out: Path) -> None:
    wanted = {
        "/etc/uci-defaults/luci-i18n-lango-sw": (0o644, b"uci set luci.languages.sw='Kiswahili'; uci commit luci\n"),
        "/usr/share/lango/menu.json": (0o644, b"{}\n"),
        "/usr/share/lango/run": (0o755, b"#!/bin/sh\n"),
        "/www/page.js": (0o644, b"page\n"),
    }

    def both() -> None:
        ipk = ipk_reader.read((out / f"luci-app-lango_{VERSION}_all.ipk").read_bytes())
        files = {it.name[1:]: (it.mode, it.content) for it in ipk.data if it.kind == "file"}
        mode, lmo = files.pop(LMO)
        same((files, mode), (wanted, 0o644))
        same(lmo_reader.read(lmo), TRANSLATED)
        same(ipk.fields["Architecture"], "all")
        assert "Require-User" not in ipk.fields
        apk = apk_reader.package(apk_reader.read((out / f"luci-app-lango-{VERSION}.apk").read_bytes()))
        listed = "".join(f"{path}\n" for path in sorted([*wanted, LMO])).encode()
        lists = {"/lib/apk/packages/luci-app-lango.list": (0o644, listed)}
        same({it.path: (it.mode, it.content) for it in apk.entries}, wanted | lists | {LMO: (0o644, lmo)})
        same(apk.info["arch"], b"noarch")

    check("a package for all architectures, of a whole tree and translations", both)

    def extracted() -> None:
        with tempfile.TemporaryDirectory() as folder:
            data = _part(out / f"luci-app-lango_{VERSION}_all.ipk", "./data.tar.gz")
            subprocess.run(["tar", "-xz", "-C", folder], input=data, check=True)
            for path, (mode, content) in wanted.items():
                same((Path(folder + path).stat().st_mode & 0o7777, Path(folder + path).read_bytes()), (mode, content))

    check("tar unpacks it", extracted)
