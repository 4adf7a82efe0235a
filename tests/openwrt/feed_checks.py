"""The Makefiles of the feed against the manifest: whoever builds with OpenWrt gets the same packages."""

import re
import subprocess
import tempfile
import tomllib
from pathlib import Path

import ipk_reader
from builds import HERE, TOP
from ledger import check, same

OPENWRT = TOP / "openwrt"
# A prebuilt program has SQLite inside, and every package of OpenWrt needs its libc without saying so.
ONLY_FEED, ONLY_PREBUILT = {"libsqlite3"}, {"libc"}

# What a word of the ruleset needs, beyond the core. A feature that is not told of here is one that nobody has
# thought about.
MODULES = {
    r"\btype nat hook\b|\bredirect\b": "kmod-nft-nat",
    r"\bfib\b": "kmod-nft-fib",
    r"\btproxy\b": "kmod-nft-tproxy",
    r"\bsocket\b": "kmod-nft-socket",
    r"\bqueue\b": "kmod-nft-queue",
    r"\bflowtable\b|\bflow add\b": "kmod-nft-offload",
    r"\btable bridge\b": "kmod-nft-bridge",
    r"\btable netdev\b|\bhook (ingress|egress)\b|\b(dup|fwd) to\b": "kmod-nft-netdev",
    r"\bct count\b": "kmod-nft-connlimit",
    r"\bipsec\b|\brt ipsec\b": "kmod-nft-xfrm",
}


def run(real: Path) -> None:
    """All of them; `real` is what was built from the manifest."""
    manifest = tomllib.loads((OPENWRT / "manifest.toml").read_text())
    # Those of translations come from the Makefile of what is translated.
    for package in [it for it in manifest["package"] if "-i18n-" not in it["name"]]:
        name = package["name"]
        check(f"feed: {name}: the Makefile says what the manifest says", lambda it=package: _fields(manifest, it))
        check(f"feed: {name}: the Makefile installs what the manifest lists", lambda it=package: _files(it))
    check("feed: the version is the program's", lambda: _version(real))
    check("feed: test.sh accepts this version and no other", _test_sh)
    check("feed: kernel modules are those that the ruleset needs", lambda: _modules(manifest["package"][0]))


def _make(name: str, goal: str, out: Path) -> str:
    command = ["make", "-s", "-C", OPENWRT / name, f"TOPDIR={HERE / 'buildroot'}", f"OUT={out}", goal]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _described(name: str) -> tuple[dict[str, str], dict[str, str]]:
    """Fields, and parts of several lines."""
    head, *parts = re.split(r"^\[(\w+)\]\n", _make(name, "describe", Path("/nowhere")), flags=re.MULTILINE)
    fields = dict(line.split("=", 1) for line in head.splitlines())
    return fields, {part: text.strip() for part, text in zip(parts[::2], parts[1::2], strict=True)}


def _fields(manifest: dict, package: dict) -> None:
    fields, parts = _described(package["name"])
    same(fields["name"], package["name"])
    same(fields["SECTION"], package["section"])
    same(fields["USERID"], package.get("user", ""))
    same((fields["LICENSE"], fields["MAINTAINER"]), (manifest["license"], manifest["maintainer"]))
    same(fields["PKGARCH"], "" if package["per_architecture"] else "all")
    depends = {it[1:] for it in fields["DEPENDS"].split() if it.startswith("+")}
    same(depends - ONLY_FEED, set(package["depends"]) - ONLY_PREBUILT)
    same(parts["description"].split(), package["description"].split())
    same(parts["conffiles"].split(), package.get("conffiles", []))
    if package["section"] != "luci":  # luci.mk brings its own
        same((parts["postinst"], parts["prerm"]), (package["postinst"].strip(), package["prerm"].strip()))


def _files(package: dict) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        out.mkdir()
        program = Path(f"{out}.installed/bin/lango")
        program.parent.mkdir(parents=True)
        program.write_bytes(b"the program")
        _make(package["name"], "install", out)
        same(_tree(out), _wanted(package, b"the program"))


def _tree(folder: Path) -> dict[str, tuple[int, bytes | str]]:
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in folder.rglob("*"):
        if path.is_symlink():
            found[f"/{path.relative_to(folder)}"] = 0, str(path.readlink())
        elif path.is_file():
            found[f"/{path.relative_to(folder)}"] = path.stat().st_mode & 0o7777, path.read_bytes()
    return found


def _wanted(package: dict, program: bytes) -> dict[str, tuple[int, bytes | str]]:
    wanted: dict[str, tuple[int, bytes | str]] = {}
    for it in package.get("files", []):
        if "link" in it:
            wanted[it["path"]] = 0, it["link"]
        else:
            content = program if it["from"] == "@binary" else (OPENWRT / it["from"]).read_bytes()
            wanted[it["path"]] = int(it["mode"], 8), content
    # Translations are packages of their own there.
    for it in package.get("trees", []):
        for path, (mode, content) in _tree(OPENWRT / it["from"]).items():
            wanted[it["to"].rstrip("/") + path] = 0o755 if mode & 0o100 else 0o644, content
    return wanted


def _version(real: Path) -> None:
    versions = {_described(name)[0]["version"] for name in ("lango", "luci-app-lango")}
    ipks = [ipk_reader.read(it.read_bytes()).fields["Version"] for it in real.glob("*/*.ipk")]
    same(versions, set(ipks))


def _test_sh() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for printed, asked, wanted in (
            ("0.1.0", "0.1.0", 0),
            ("0.1.0", "0.1.1", 1),
            ("1.0.0-rc.1", "1.0.0_rc1", 0),
            ("1.0.0", "1.0.0_rc1", 1),
        ):
            program = Path(scratch) / "lango"
            program.write_text(f"#!/bin/sh\necho 'lango {printed}'\n")
            program.chmod(0o755)
            command = ["/bin/sh", OPENWRT / "lango/test.sh", "lango", asked]
            path = {"PATH": f"{scratch}:/usr/bin:/bin"}
            same(subprocess.run(command, env=path, capture_output=True, check=False).returncode, wanted)


def _modules(package: dict) -> None:
    lines = (TOP / "src/nft/ruleset.nft").read_text().splitlines()
    ruleset = "\n".join(line.partition("#")[0] for line in lines)
    wanted = {module for words, module in MODULES.items() if re.search(words, ruleset)} | {"kmod-nft-core"}
    if (TOP / "src/neigh/conntrack.rs").exists():
        wanted.add("kmod-nf-conntrack-netlink")
    same({it for it in package["depends"] if it.startswith("kmod-")}, wanted)
