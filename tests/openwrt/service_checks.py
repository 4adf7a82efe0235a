"""The init scripts and uci-defaults, run by busybox: what they ask of procd and of the firewall.

OpenWrt's shell functions are replaced by ones that answer from a configuration and write down what they were told.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import uci_text
from builds import TOP
from ledger import check, same

FILES = TOP / "openwrt/lango/files"

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
    procd_add_reload_trigger json_add_array json_close_array json_add_object json_close_object json_add_string; do
    eval "$it() { echo \\"$it \\$*\\" >&3; }"
done
"""
PROGRAM = """#!/bin/sh
echo "lango $*" >&3
[ "$1" != check ] || [ ! -e "$ROOT/wrong" ] || { echo "/etc/config/lango:3: portal_port: no port"; exit 78; }
"""
NETWORK = """
config interface 'lan'
	option device 'br-lan'
config interface 'guest'
	option device 'br-guest'
config interface 'wan'
	option device 'wan'
"""
FIREWALL = """
config zone
	option name 'lan'
	list network 'lan'
config zone 'guest'
	option name 'guest'
	list network 'guest'
config zone
	option name 'yard'
	list device 'wlan1'
config zone
	option name 'wan'
	list network 'wan'
"""
LANGO = """
config gateway 'main'
	option enabled '1'
	list interface 'br-guest'
	list interface 'wlan1'
	option portal_port '8080'
"""


def run() -> None:
    """All of them."""
    check("service: shellcheck has nothing to say", _linted)
    check("service: switched off, nothing is started or asked", _switched_off)
    check("service: the daemon as it is handed to procd", _started)
    check("service: the firewall is opened for the zones of the guests, and for nothing else", _firewall)
    check("service: a configuration with errors starts nothing, and is told", _wrong)
    check("service: a reload by a configuration with errors leaves what runs", _reloaded)
    check("service: it hears of the configurations that it depends on", _triggers)
    check("service: guests are held before the network starts, and by a stop as well", _held)
    check("service: the configuration that is shipped is right, and switched off", _shipped)
    check("service: uci-defaults may run twice", _defaults)


def _linted() -> None:
    scripts = [FILES / name for name in ("lango.init", "lango-hold.init", "lango.defaults")]
    subprocess.run(["shellcheck", *scripts], check=True)
    for script in scripts:
        lines = script.read_text().splitlines()
        assert not [line for line in lines if line.startswith(" ")], "indented by blanks"


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


def _told(script: str, function: str, lango: str = LANGO, *, wrong: bool = False) -> tuple[int, list[str]]:
    """The exit code of a function of an init script, and what was called, in order."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        (root / "lango").write_text(PROGRAM)
        (root / "lango").chmod(0o755)
        if wrong:
            (root / "wrong").touch()
        text = (FILES / script).read_text().replace("/usr/sbin/lango", f"{root}/lango")
        shell = "\n".join([
            FUNCTIONS, _configured(lango, "lango"), _configured(NETWORK, "network"),
            _configured(FIREWALL, "firewall"), text, function,
        ])  # fmt: skip
        (root / "script").write_text(shell)
        log = root / "log"
        with log.open("w") as out:
            done = subprocess.run(
                [shutil.which("busybox") or "busybox", "sh", "-c", f'. {root}/script 3>"{log}"'],
                env={"PATH": "/usr/bin:/bin", "ROOT": scratch}, stdout=out, stderr=subprocess.PIPE, check=False,
            )  # fmt: skip
        return done.returncode, [line.replace(f"{root}/lango", "lango") for line in log.read_text().splitlines()]


def _switched_off() -> None:
    off = LANGO.replace("enabled '1'", "enabled '0'")
    same(_told("lango.init", "start_service", off), (0, []))


def _started() -> None:
    code, told = _told("lango.init", "start_service")
    same(code, 0)
    same(told[0], "lango check --config /etc/config/lango")
    instance = [line.removeprefix("procd_set_param ") for line in told if line.startswith("procd_set_param ")]
    same(instance, [
        "command lango run --config /etc/config/lango", "file /etc/config/lango", "reload_signal HUP",
        "respawn 3600 5 0", "term_timeout 15", "stdout 0", "stderr 0",
    ])  # fmt: skip


def _rules(told: list[str]) -> list[dict[str, str]]:
    rules: list[dict[str, str]] = []
    for line in told:
        if line.startswith("json_add_object"):
            rules.append({})
        elif line.startswith("json_add_string "):
            _, key, value = line.split(" ", 2)
            rules[-1][key] = value
    return rules


def _firewall() -> None:
    _, told = _told("lango.init", "start_service")
    opened = {(it["src"], it.get("family", ""), it["proto"], it.get("dest_port", "")) for it in _rules(told)}
    wanted = {
        (zone, *rule)
        for zone in ("guest", "yard")
        for rule in (
            ("", "tcp", "53 8080 2443 2053"), ("", "udp", "53 2053"), ("ipv4", "udp", "67"), ("ipv6", "udp", "547"),
            ("ipv4", "icmp", ""), ("ipv6", "icmp", ""),
        )
    }  # fmt: skip
    same(opened, wanted)
    same({(it["type"], it["target"]) for it in _rules(told)}, {("rule", "ACCEPT")})
    opens, closes = (told.count(f"procd_{it}_data ") for it in ("open", "close"))
    same((opens, closes, told[-1]), (1, 1, "procd_close_instance "))


def _wrong() -> None:
    code, told = _told("lango.init", "start_service", wrong=True)
    same(code, 1)
    same(len(told), 2)
    assert told[1].startswith("logger ") and "lango:3: portal_port: no port" in told[1], told


def _reloaded() -> None:
    code, told = _told("lango.init", "start() { echo start >&3; }; reload_service", wrong=True)
    same((code, len(told)), (1, 2))
    assert told[1].startswith("logger "), told
    _, told = _told("lango.init", "start() { echo start >&3; }; reload_service")
    same(told, ["lango check --config /etc/config/lango", "start"])


def _triggers() -> None:
    same(_told("lango.init", "service_triggers"), (0, ["procd_add_reload_trigger lango network firewall"]))


def _held() -> None:
    same(_told("lango-hold.init", "start"), (0, ["lango hold"]))
    same(_told("lango-hold.init", "type stop >/dev/null 2>&1"), (127, []))
    starts = [int((FILES / name).read_text().split("START=")[1][:2]) for name in ("lango-hold.init", "lango.init")]
    # firewall and dnsmasq 19, network 20
    assert starts[0] < 19 and starts[1] > 20, starts


def _shipped() -> None:
    text = (FILES / "lango.config").read_text()
    (gateway,) = [it for it in uci_text.read(text) if it.kind == "gateway"]
    same((gateway.name, gateway.options["enabled"], gateway.options["user"]), ("main", "0", "lango"))


def _defaults() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        text = (FILES / "lango.defaults").read_text().replace("/etc/lango", f"{root}/state")
        text = text.replace("lango:lango", f"{os.getuid()}:{os.getgid()}")
        for _ in range(2):
            subprocess.run([shutil.which("busybox") or "busybox", "sh", "-c", text], check=True)
            same((root / "state").stat().st_mode & 0o7777, 0o700)
