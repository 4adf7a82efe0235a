"""An init script, run by busybox with stand-ins for OpenWrt's shell functions: what it would tell procd and others.

The functions answer from a configuration, and write down what they were told.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import uci_text

# How OpenWrt's functions of these names behave; `foreach` and `load` know the configuration.
FUNCTIONS = """
list_contains() { eval "case \\" \\$$1 \\" in *\\" $2 \\"*) return 0 ;; esac"; return 1; }
append() { eval "$1=\\"\\${$1:+\\$$1 }$2\\""; }
config_load() { package=$1; }
config_get() {
    eval "config_value=\\$${package}_$2_$3"
    eval "$1=\\${config_value:-\\$4}"
}
config_get_bool() {
    config_get "$1" "$2" "$3" "$4"
    eval "case \\$$1 in 1|on|true|yes|enabled) $1=1 ;; *) $1=0 ;; esac"
}
config_foreach() {
    eval "config_sections=\\$${package}_sections_$2"
    for config_section in $config_sections; do "$1" "$config_section"; done
}
logger() { echo "logger $*" >&3; }
for it in procd_open_instance procd_close_instance procd_set_param procd_open_data procd_close_data \\
    procd_add_reload_trigger procd_add_jail procd_add_jail_mount procd_add_jail_mount_rw \\
    json_add_array json_close_array json_add_object json_close_object json_add_string; do
    eval "$it() { echo \\"$it \\$*\\" >&3; }"
done
"""
PROGRAM = """#!/bin/sh
echo "lango $*" >&3
[ "$1" != check ] || [ ! -e "$ROOT/wrong" ] || { echo "/etc/config/lango:3: portal_port: no port"; exit 78; }
"""


def _configured(text: str, package: str) -> str:
    """The configuration as variables of a shell."""
    lines, kinds = [], {}
    for number, section in enumerate(uci_text.read(text)):
        name = section.name or f"cfg{number:02}"
        kinds.setdefault(section.kind, []).append(name)
        for key, value in section.options.items():
            joined = " ".join(value) if isinstance(value, list) else value
            lines.append(f"{package}_{name}_{key}={uci_text.quoted(joined)}")
    lines += [f"{package}_sections_{kind}={uci_text.quoted(' '.join(names))}" for kind, names in kinds.items()]
    return "\n".join(lines)


def told(script: Path, function: str, configured: dict[str, str], **how: bool) -> tuple[int, list[str]]:
    """The exit code of a function of an init script, and what was called, in order; as of `told_text`."""
    return told_text(script.read_text(), function, configured, **how)


def told_text(
    text: str, function: str, configured: dict[str, str], *, wrong: bool = False, jailer: bool = False,
    jailed: str | None = None,
) -> tuple[int, list[str]]:  # fmt: skip
    """As of `told`, of the script's text.

    `wrong`: the configuration has errors; `jailer`: ujail and the list of capabilities are there; `jailed`: what the
    script wrote of the jail before.
    """
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        (root / "lango").write_text(PROGRAM)
        (root / "lango").chmod(0o755)
        if wrong:
            (root / "wrong").touch()
        for there in ("ujail", "lango.json") if jailer else ():
            (root / there).touch(mode=0o755)
        if jailed is not None:
            (root / "lango.jail").write_text(jailed + "\n")
        for path in ("/usr/sbin/lango", "/sbin/ujail", "/etc/capabilities/lango.json", "/var/run/lango.jail"):
            text = text.replace(f"={path}\n", f"={root}/{path.rsplit('/', 1)[1]}\n")
        text = text.replace("\t/usr/sbin/lango", f"\t{root}/lango")
        settings = [_configured(it, package) for package, it in configured.items()]
        shell = "\n".join([FUNCTIONS, *settings, text, function])
        (root / "script").write_text(shell)
        log = root / "log"
        with log.open("w") as out:
            done = subprocess.run(
                [shutil.which("busybox") or "busybox", "sh", "-c", f'. {root}/script 3>"{log}"'],
                env={"PATH": "/usr/bin:/bin", "ROOT": scratch}, stdout=out, stderr=subprocess.PIPE, check=False,
            )  # fmt: skip
        return done.returncode, [line.replace(f"{root}/", "") for line in log.read_text().splitlines()]
