"""The init scripts and uci-defaults, run by busybox: what they ask of procd and of the firewall.

OpenWrt's shell functions are replaced by ones that answer from a configuration and write down what they were told.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import procd
import uci_text
from builds import TOP
from ledger import check, same

FILES = TOP / "openwrt/lango/files"

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
JAILED = LANGO + """
	option user 'lango'
	option portal_dir '/srv/portal'
	option certificate '/etc/acme/portal.crt'
	option key '/etc/lango/key'
config cloud
	option url 'https://bos.example.net'
	option ca_file '/srv/cloud/ca.pem'
"""

UNJAILED = [
    "command lango run --config /etc/config/lango", "file /etc/config/lango", "reload_signal HUP",
    "respawn 3600 5 0", "term_timeout 15", "stdout 0", "stderr 0",
]  # fmt: skip
SHOWN = [
    "/etc/config", "/etc/hosts", "/etc/resolv.conf", "/etc/ssl/certs", "/tmp/resolv.conf.d",
    "/proc/sys/kernel/random",
]  # fmt: skip


def run() -> None:
    """All of them."""
    check("service: shellcheck has nothing to say", _linted)
    check("service: switched off, nothing is started or asked", _switched_off)
    check("service: the daemon as it is handed to procd", _started)
    check("service: another user in a jail, where there is a jailer", _jailed)
    check("service: the capabilities of the jail are those that the daemon keeps", _capabilities)
    check("service: another jail takes a new start, anything else only a signal", _another_jail)
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


def _told(script: str, function: str, lango: str = LANGO, **how: bool) -> tuple[int, list[str]]:
    configured = {"lango": lango, "network": NETWORK, "firewall": FIREWALL}
    return procd.told(FILES / script, function, configured, **how)


def _switched_off() -> None:
    off = LANGO.replace("enabled '1'", "enabled '0'")
    same(_told("lango.init", "start_service", off), (0, []))


def _started() -> None:
    code, told = _told("lango.init", "start_service")
    same(code, 0)
    same(told[0], "lango check --config /etc/config/lango")
    # Guests are held, and folders made over, before procd has anything to start.
    same(told[1], "lango hold --config /etc/config/lango")
    same(_params(told), UNJAILED)
    assert not [line for line in told if "jail" in line], told
    # Nor without a user to become.
    same(_params(_told("lango.init", "start_service", jailer=True)[1]), UNJAILED)


def _params(told: list[str]) -> list[str]:
    return [line.removeprefix("procd_set_param ") for line in told if line.startswith("procd_set_param ")]


def _mounts(told: list[str], call: str) -> list[str]:
    (line,) = [line for line in told if line.startswith(f"{call} ")]
    return line.split()[1:]


def _jailed() -> None:
    _, told = _told("lango.init", "start_service", JAILED, jailer=True)
    same(_params(told), [*UNJAILED, "capabilities lango.json", "user lango", "no_new_privs 1"])
    same(_mounts(told, "procd_add_jail"), ["lango", "log"])
    same(_mounts(told, "procd_add_jail_mount_rw"), ["/etc/lango", "/var/run/lango"])
    # Folders, once each; a file of its own folders that it keeps is there already.
    same(_mounts(told, "procd_add_jail_mount"), [*SHOWN, "/srv/portal", "/etc/acme", "/srv/cloud"])
    opened, jail, closed = (told.index(f"procd_{it}") for it in ("open_instance ", "add_jail lango log", "close_instance "))
    assert opened < jail < closed, told


def _capabilities() -> None:
    sets = json.loads((FILES / "lango.json").read_text())
    same(set(sets), {"bounding", "effective", "ambient", "permitted", "inheritable"})
    source = (TOP / "src/process/privileges.rs").read_text().split("const KEPT")[1].split(";")[0]
    kept = sorted("CAP_" + name for name in re.findall(r"CapabilitySet::([A-Z_]+)", source))
    same(len(kept), 3)
    for name, powers in sets.items():
        same((name, powers), (name, kept))


def _another_jail() -> None:
    stubs = "start() { echo start >&3; }; restart() { echo restart >&3; }; "
    with_key = JAILED.replace("option key '/etc/lango/key'", "option key '/etc/other/key'")
    _, told = _told("lango.init", 'start_service; cat "$JAILED" >&3', JAILED, jailer=True)
    for lango, again in ((JAILED, "start"), (JAILED.replace("8080", "8081"), "start"), (with_key, "restart")):
        done = _told("lango.init", f"{stubs}reload_service", lango, jailer=True, jailed=told[-1])
        same(done, (0, ["lango check --config /etc/config/lango", again]))
    # It was never started since the boot.
    same(_told("lango.init", f"{stubs}reload_service", JAILED, jailer=True)[1][-1], "start")


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
