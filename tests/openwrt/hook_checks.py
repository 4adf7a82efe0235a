"""What opkg and apk run around an installation, run: in a root of busybox, with a service that notes its orders."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apk_reader
import ipk_reader
from ledger import check, same

INFO = "usr/lib/opkg/info"

# As OpenWrt's functions of these names go about services.
FUNCTIONS = """
add_group_and_user() { echo users >>/log; }
part() { [ ! -f "/usr/lib/opkg/info/$1" ] || ( . "/usr/lib/opkg/info/$1" ) || echo "failed: $1" >>/log; }
default_postinst() {
    part lango.postinst-pkg
    [ -z "$IPKG_INSTROOT" ] || return 0
    [ "$PKG_UPGRADE" = 1 ] || /etc/init.d/lango enable
    /etc/init.d/lango start
}
default_prerm() {
    part lango.prerm-pkg
    [ -z "$IPKG_INSTROOT" ] || return 0
    [ "$PKG_UPGRADE" = 1 ] || /etc/init.d/lango disable
    /etc/init.d/lango stop
}
"""
SERVICE = """#!/bin/sh
[ "$1" = running ] && exec test -e /running
echo "$1" >>/log
case "$1" in
start) [ ! -e /switched-on ] || touch /running ;;
stop) [ ! -e /running ] || mv /running /leaving ;;
esac
"""
# The program takes a moment to go, and would put its table back until then.
PIDOF = """#!/bin/sh
[ -e /running ] && exit 0
[ -e /leaving ] && rm /leaving
"""
# Where nothing was set up there is no such file, and nobody asks.
LANGO = """#!/bin/sh
echo "lango $*" >>/log
exec test ! -e /refused
"""
UCI = """#!/bin/sh
[ "$*" != '-q get lango.@gateway[0].state_dir' ] || [ ! -e /elsewhere ] || echo /mnt
"""
RELOAD = """#!/bin/sh
echo reload_config >>/log
"""
NFT = """#!/bin/sh
[ ! -e /running ] && [ ! -e /leaving ] || echo too soon >>/log
echo "nft $*" >>/log
"""


def run(real: Path) -> None:
    """All of them, with the scripts of what was built from the manifest."""
    folder = next(it for it in sorted(real.iterdir()) if it.name != "keys")
    ipk = ipk_reader.read(next(folder.glob("lango_*.ipk")).read_bytes())
    apk = apk_reader.package(apk_reader.read(next(folder.glob("lango-*.apk")).read_bytes()))
    table = "nft delete table inet lango"

    def opkg(script: str, running: bool, *there: str, **environment: str) -> list[str]:
        with _root(running, there) as root:
            for it in ipk.control:
                if it.kind == "file":
                    path = root / INFO / f"lango.{it.name[2:]}"
                    path.write_bytes(it.content)
                    path.chmod(it.mode)
            return _orders(root, f"/{INFO}/lango.{script}", environment)

    def with_apk(script: str, running: bool, **environment: str) -> list[str]:
        with _root(running, ()) as root:
            path = root / "script"
            path.write_bytes(apk.scripts[script])
            path.chmod(0o755)
            return _orders(root, "/script", environment)

    def installed() -> None:
        same(opkg("postinst", running=False), ["enable", "start"])
        same(with_apk("post-install", running=False), ["users", "enable", "start"])

    def upgraded() -> None:
        same(opkg("prerm", running=True, PKG_UPGRADE="1"), ["stop"])
        same(opkg("postinst", running=False, PKG_UPGRADE="1"), ["start"])
        same(with_apk("post-upgrade", running=True), ["users", "start", "restart"])
        same(with_apk("post-upgrade", running=False), ["users", "start"])

    def removed() -> None:
        same(opkg("prerm", running=True), ["stop", table, "disable", "stop"])
        same(with_apk("pre-deinstall", running=True), ["disable", "stop", "stop", table])

    def set_up_and_removed() -> None:
        undo, undone = "etc/lango/setup-undo.json", ["stop", "lango setup --undo", "reload_config", table]
        same(opkg("prerm", True, undo), [*undone, "disable", "stop"])
        same(opkg("prerm", True, "elsewhere", "mnt/setup-undo.json"), [*undone, "disable", "stop"])
        same(opkg("prerm", True, undo, "refused"), ["stop", "lango setup --undo", "disable", "stop"])
        same(opkg("prerm", True, undo, PKG_UPGRADE="1"), ["stop"])

    def in_an_image() -> None:
        same(opkg("postinst", running=False, IPKG_INSTROOT="/image"), [])
        same(opkg("prerm", running=False, IPKG_INSTROOT="/image"), [])
        same(with_apk("post-install", running=False, IPKG_INSTROOT="/image"), ["users"])
        same(with_apk("post-install", running=False, IPKG_NO_SCRIPT="1"), [])

    def linted() -> None:
        for it in ipk.control:
            if it.content.startswith(b"#!") and it.name.endswith("-pkg"):
                subprocess.run(["shellcheck", "-s", "dash", "-"], input=it.content, check=True)

    check("hooks: shellcheck has nothing to say", linted)
    check("hooks: an installation enables and starts the service", installed)
    check("hooks: an upgrade leaves the kernel's table, and restarts once", upgraded)
    check("hooks: a removal takes the table once the program has gone", removed)
    check("hooks: a removal takes the guests' network that was set up, or leaves them held", set_up_and_removed)
    check("hooks: an image that is built is not the machine it is built on", in_an_image)


@contextmanager
def _root(running: bool, there: tuple[str, ...]) -> Iterator[Path]:
    """A root with these files in it, empty."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for folder in ("bin", "lib", "etc/init.d", "etc/lango", "usr/sbin", "mnt", INFO, "dev", "image/lib", "tmp"):
            (root / folder).mkdir(parents=True)
        shutil.copy(shutil.which("busybox") or "", root / "bin/busybox")
        for name in ("sh", "touch", "rm", "mv", "test", "basename", "sleep", "ls"):
            (root / "bin" / name).symlink_to("busybox")
        os.mknod(root / "dev/null", 0o020666, os.makedev(1, 3))
        for path in ("lib/functions.sh", "image/lib/functions.sh"):
            (root / path).write_text(FUNCTIONS)
        programs = {
            "etc/init.d/lango": SERVICE,
            "usr/sbin/lango": LANGO,
            "bin/pidof": PIDOF,
            "bin/uci": UCI,
            "bin/reload_config": RELOAD,
            "bin/nft": NFT,
        }
        for path, text in programs.items():
            (root / path).write_text(text)
            (root / path).chmod(0o755)
        for path in there:
            (root / path).touch()
        if running:
            (root / "running").touch()
            (root / "switched-on").touch()
        yield root


def _orders(root: Path, script: str, environment: dict[str, str]) -> list[str]:
    """What was ordered, in order."""
    (root / "log").touch()
    command = [shutil.which("chroot") or "chroot", root, "/bin/sh", script]
    subprocess.run(command, env={"PATH": "/bin"} | environment, capture_output=True, check=True, timeout=30)
    return (root / "log").read_text().splitlines()
