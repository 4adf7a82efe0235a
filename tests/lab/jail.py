#!/usr/bin/env python3
"""Stands in for procd and its ujail: starts a program as the init script of the package has them start it.

    jail.py CONFIG PROGRAM ARGUMENT…

The init script says as whom, with which powers and what of the files; busybox asks it, with CONFIG in the place of
/etc/config/lango. As ujail does, this makes a file system of nothing but that, the program and its libraries, and
namespaces for mounts, processes and System V; it passes signals on and ends as the program does.
"""

import ctypes
import json
import os
import pwd
import re
import signal
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/openwrt"))
sys.dont_write_bytecode = True
import procd  # noqa: E402

FILES = TOP / "openwrt/lango/files"
POWERS = {"CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}
LAST_POWER = 40

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID = 0x00020000, 0x08000000, 0x20000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 24, 28, 38, 47
SECBIT_NO_SETUID_FIXUP, PR_CAP_AMBIENT_RAISE = 4, 2

libc = ctypes.CDLL(None, use_errno=True)


def must(done: int, what: str) -> None:
    """Ends if the C library says that it failed."""
    if done < 0:
        raise OSError(ctypes.get_errno(), what)


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """As mount(2)."""
    words = (it.encode() if it is not None else None for it in (source, target, kind))
    must(libc.mount(*words, ctypes.c_ulong(flags), options.encode()), f"mount {target}")


class Instance:
    """What procd is told."""

    def __init__(self, config: Path) -> None:
        script = (FILES / "lango.init").read_text().replace("\nCONF=/etc/config/lango\n", f"\nCONF={config}\n")
        configured = {"lango": config.read_text(), "network": "", "firewall": ""}
        code, self.told = procd.told_text(script, "start_service", configured, jailer=True)
        if code != 0:
            raise SystemExit(f"the init script: {code}: {self.told}")
        self.user = pwd.getpwnam(self.one("procd_set_param user"))
        named = {"lango.json": FILES / "lango.json"}[self.one("procd_set_param capabilities")]
        self.powers = {name: [POWERS[it] for it in of] for name, of in json.loads(named.read_text()).items()}
        self.no_new_privileges = self.one("procd_set_param no_new_privs") == "1"
        self.shown = self.one("procd_add_jail_mount").split()
        self.kept = self.one("procd_add_jail_mount_rw").split()
        self.one("procd_add_jail lango log")

    def one(self, call: str) -> str:
        """The words of the one call that begins so."""
        (line,) = [it for it in self.told if f"{it} ".startswith(f"{call} ")]
        return line.removeprefix(call).strip()


def libraries(program: str) -> list[str]:
    """The files that it is linked with."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(/\S+) \(0x", said)


def build(root: str, instance: Instance, program: str) -> None:
    """The file system of the jail, and into it."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("tmpfs", root, "tmpfs", 0, "mode=0755")
    os.mkdir(f"{root}/dev")
    for device, minor in (("null", 3), ("zero", 5), ("random", 8), ("urandom", 9)):
        os.mknod(f"{root}/dev/{device}", 0o020666, os.makedev(1, minor))
        os.chmod(f"{root}/dev/{device}", 0o666)
    whole = [*instance.shown, "/etc/passwd", "/etc/group", "/dev/log", program, *libraries(program)]
    for path in sorted({*whole, *instance.kept}):
        if not os.path.exists(path):
            continue
        inside = Path(root + path)
        if os.path.isdir(path):
            inside.mkdir(parents=True, exist_ok=True)
        else:
            inside.parent.mkdir(parents=True, exist_ok=True)
            if not inside.exists():
                inside.touch()
        mount(path, str(inside), None, MS_BIND)
        if path not in instance.kept and path != "/dev/log":
            mount(path, str(inside), None, MS_BIND | MS_REMOUNT | MS_RDONLY)
    old = f"{root}/old"
    os.mkdir(old)
    must(libc.pivot_root(root.encode(), old.encode()), "pivot_root")
    os.chdir("/")
    must(libc.umount2(b"/old", MNT_DETACH), "umount2")
    os.rmdir("/old")


def become(instance: Instance) -> None:
    """The user, with its powers and no more."""

    def bits(of: str) -> int:
        return sum(1 << power for power in instance.powers[of])

    must(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "securebits")
    for power in range(LAST_POWER + 1):
        if not bits("bounding") >> power & 1:
            must(libc.prctl(PR_CAPBSET_DROP, power, 0, 0, 0), "bounding set")
    os.setgroups([instance.user.pw_gid])
    os.setresgid(*[instance.user.pw_gid] * 3)
    os.setresuid(*[instance.user.pw_uid] * 3)
    sets = (ctypes.c_uint32 * 6)(bits("effective"), bits("permitted"), bits("inheritable"), 0, 0, 0)
    must(libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), sets), "capset")
    for power in instance.powers["ambient"]:
        must(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, power, 0, 0), "ambient set")
    if instance.no_new_privileges:
        must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    must(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "end with the parent")


def main() -> None:
    """Starts it, and waits."""
    config, program, *arguments = sys.argv[1:]
    instance = Instance(Path(config))
    root = f"{config}.jail"
    os.makedirs(root, exist_ok=True)
    must(libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID), "unshare")
    child = os.fork()
    if child == 0:
        build(root, instance, program)
        become(instance)
        kept = {key: it for key, it in os.environ.items() if key.startswith("LANGO_")}
        os.execve(program, [program, *arguments], kept)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: os.kill(child, number))
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status) % 256)


main()
