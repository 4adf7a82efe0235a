"""What is seen on a terminal, and what other programs make of it: promtool, mandoc, bash, zsh."""

import atexit
import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path

from checks import CONFIG, GATEWAY, HOTSPOT, LANGO, PHONE, SOCKET, check, lango, live, told

RED_OR_GREEN = re.compile(r"\x1b\[[0-9;]*m")


def until(what, true, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.05)
    return check(what, False, f"not within {seconds} s")


def restarted():
    """The daemon again, as the example of `lango run` starts it."""
    os.kill(int(os.environ["DAEMON"]), signal.SIGTERM)
    until("the daemon ends", lambda: live("status").returncode == 69)
    example = re.search(r"Example:\n  lango (.+)", lango("run", "--help").stdout).group(1)
    args = [CONFIG if arg == "/etc/config/lango" else arg for arg in shlex.split(example)]
    log = open(HOTSPOT / "log", "ab")
    daemon = subprocess.Popen(["ip", "netns", "exec", GATEWAY, LANGO, *args], stdin=subprocess.DEVNULL, stderr=log)
    atexit.register(lambda: (daemon.terminate(), daemon.wait()))
    check(f"example: lango {example}", until("the daemon serves", lambda: live("status").returncode == 0))


class Terminal:
    """A terminal of 80 columns and 24 rows with the program in it."""

    def __init__(self, *args, env=None):
        self.keys, self.line = pty.openpty()
        fcntl.ioctl(self.line, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before, self.text = termios.tcgetattr(self.line), ""
        env = {**os.environ, "TERM": "xterm", **(env or {})}
        command = ["ip", "netns", "exec", GATEWAY, LANGO, *args, "--socket", SOCKET]
        self.program = subprocess.Popen(
            [str(arg) for arg in command], stdin=self.line, stdout=self.line, stderr=self.line, env=env,
            start_new_session=True,
        )

    def until(self, pattern, seconds=20):
        """Reads until what came matches; of everything that came since the start."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not re.search(pattern, self.text, re.S):
            if select.select([self.keys], [], [], 0.1)[0]:
                self.text += os.read(self.keys, 65536).decode()
            elif self.program.poll() is not None:
                break
        return re.search(pattern, self.text, re.S) is not None

    def ends(self):
        """Its exit code, once it has ended; whatever it still says is read."""
        try:
            code = self.program.wait(20)
        except subprocess.TimeoutExpired:
            self.program.kill()
            code = "does not end"
        while select.select([self.keys], [], [], 0.2)[0]:
            self.text += os.read(self.keys, 65536).decode()
        return code

    def as_it_was(self):
        return termios.tcgetattr(self.line) == self.before

    def close(self):
        os.close(self.keys)
        os.close(self.line)


def colours():
    for env, coloured in [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]:
        for command in ["status", "doctor"]:
            terminal = Terminal(command, env=env)
            terminal.ends()
            good = bool(RED_OR_GREEN.search(terminal.text)) == coloured and "rules" in terminal.text
            check(f"lango {command} on a terminal with {env or 'colours'}", good, repr(terminal.text))
            terminal.close()
    check("no colour in a pipe", "\x1b" not in live("status").stdout)
    shown = live("status").stdout.splitlines()
    check("lango status is one screen", len(shown) <= 24 and all(len(line) <= 80 for line in shown), shown)


def sorting():
    told("login", "02:00:00:00:00:0a", "--plan", "hour")
    told("login", "02:00:00:00:00:02", "--plan", "hour")
    macs = lambda *args: [one["mac"] for one in told("sessions", *args)]
    check("lango sessions --sort mac", macs("--sort", "mac") == sorted(macs()) and len(macs()) > 1, macs())
    check("lango sessions --sort mac --reverse", macs("--sort", "mac", "--reverse") == sorted(macs())[::-1])
    left = [one["seconds_left"] for one in told("sessions", "--sort", "left")]
    check("lango sessions --sort left", left == sorted(left), left)
    check("lango sessions --sort frob", live("sessions", "--sort", "frob").returncode == 2)


def top():
    """A guest who downloads 100 kB a second, seen live."""
    mac = subprocess.run(
        ["ip", "-n", PHONE, "-o", "link", "show", "wlan0"], capture_output=True, text=True
    ).stdout.split("link/ether ")[1].split()[0]
    told("login", mac, "--plan", "hour")
    fetch = ["ip", "netns", "exec", PHONE, "curl", "-s", "-o", "/dev/null", "http://203.0.113.80/stream"]
    download = subprocess.Popen(fetch)
    try:
        rate = rf"{mac} hour +([0-9]{{3}} kbit/s|1(\.[0-9])? Mbit/s) "
        once = live("top", "--once").stdout
        until("the download is seen", lambda: re.search(rate, live("top", "--once").stdout))
        lines = live("top", "--once").stdout.splitlines()
        check("lango top --once shows who downloads, first", re.match(rate, lines[3]) is not None, lines)
        check("lango top --once fits 80 columns", all(len(line) <= 80 for line in lines + once.splitlines()), lines)
        for what, end in [
            ("q", lambda one: os.write(one.keys, b"q")),
            ("Ctrl-C", lambda one: os.write(one.keys, b"\x03")),
            ("SIGTERM", lambda one: one.program.send_signal(signal.SIGTERM)),
            ("SIGHUP", lambda one: one.program.send_signal(signal.SIGHUP)),
        ]:
            terminal = Terminal("top")
            live_rate = terminal.until(rate)
            check("lango top shows the rate live", live_rate, repr(terminal.text))
            check("lango top takes the terminal", not terminal.as_it_was())
            end(terminal)
            code = terminal.ends()
            left = code == 0 and terminal.as_it_was() and terminal.text.endswith("\x1b[?25h\x1b[?1049l")
            check(f"lango top ends by {what} and leaves the terminal as it was", left, f"{code} {terminal.text[-80:]!r}")
            terminal.close()
        slow(rate)
    finally:
        download.terminate()
        download.wait()
    refused = live("top")
    check("lango top without a terminal names --once", refused.returncode == 70 and "--once" in refused.stderr, refused)


def slow(rate):
    """Few bytes a frame, for an operator far away."""
    terminal = Terminal("top")
    terminal.until(rate)
    before, at = len(terminal.text), time.monotonic()
    terminal.until("never", 7)
    bytes_a_second = (len(terminal.text) - before) / (time.monotonic() - at)
    check("lango top sends less than 400 bytes a second", 0 < bytes_a_second < 400, bytes_a_second)
    os.write(terminal.keys, b"q")
    terminal.ends()
    terminal.close()


def metrics():
    text = live("metrics").stdout
    promtool = os.environ["PROMTOOL"]
    judged = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
    check("promtool check metrics finds nothing", judged.returncode == 0 and not judged.stderr, judged)
    wrong = subprocess.run([promtool, "check", "metrics"], input="a_total 1\n", capture_output=True, text=True)
    check("promtool check metrics finds what is wrong", wrong.returncode != 0, wrong)
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    for number in range(20):
        told("login", f"02:00:00:00:01:{number:02x}", "--plan", "hour")
    more = [line for line in live("metrics").stdout.splitlines() if not line.startswith("#")]
    names = lambda lines: [line.rsplit(" ", 1)[0] for line in lines]
    check("twenty more guests make no more lines", names(samples) == names(more) and "02:00" not in text, more)
    into_a_file()


def into_a_file():
    folder = HOTSPOT / "node-exporter"
    folder.mkdir()
    path, seen, over = folder / "lango.prom", [], threading.Event()

    def read():
        while not over.is_set():
            seen.append((path.read_text(), sorted(one.name for one in folder.glob("*.prom"))))

    live("metrics", "--file", path)
    check("the file is there", path.read_text().count("# TYPE ") > 10 and path.stat().st_mode & 0o777 == 0o644)
    reader = threading.Thread(target=read)
    reader.start()
    written = [live("metrics", "--file", path) for _ in range(20)]
    over.set()
    reader.join()
    whole = all(text.endswith('kind="new_device"} 0\n') and names == ["lango.prom"] for text, names in seen)
    check(f"whoever reads it meanwhile finds it whole, {len(seen)} times", whole and len(seen) > 20)
    check("nothing is printed, nothing is left", not any(one.stdout for one in written) and len(list(folder.iterdir())) == 1)
    before = path.read_text()
    lango("metrics", "--file", path, "--socket", "/nonexistent/lango.sock")
    (folder / "full").mkdir()
    refused = live("metrics", "--file", folder / "full")
    check("a folder is not replaced", refused.returncode == 1 and refused.stderr.count("; ") == 1, refused)
    check("without a daemon the file stays", path.read_text() == before and len(list(folder.iterdir())) == 2)


def manual():
    page = HOTSPOT / "lango.8"
    page.write_text(lango("man").stdout)
    lint = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], capture_output=True, text=True)
    check("mandoc -Tlint finds nothing", lint.returncode == 0 and not lint.stdout, lint)
    shown = subprocess.run(["mandoc", "-Tutf8", "-Owidth=200", page], capture_output=True, text=True).stdout
    shown = re.sub(r".\x08", "", shown)
    plain = [line.strip() for line in shown.splitlines()]
    for text in ["lango voucher new --plan PLAN", "lango voucher show '4821 9937 05'", "--config PATH", "NO_COLOR"]:
        check(f"the manual has {text!r}", any(line.startswith(text) for line in plain), shown[:2000])


def completion():
    for shell, start in [("bash", ["bash", "--norc"]), ("zsh", ["zsh", "-f"])]:
        script = HOTSPOT / f"completion.{shell}"
        script.write_text(lango("completion", shell).stdout)
        loud = subprocess.run([*start, "-n", script], capture_output=True, text=True)
        check(f"{shell} reads its completion", loud.returncode == 0 and not loud.stderr, loud)
    for line, wanted in [
        ("lango st", "status"),
        ("lango voucher ", "new show revoke list import"),
        ("lango voucher new --pl", "--plan"),
        ("lango sessions --sort ", "left used since mac plan"),
        ("lango clock ", "reset"),
        ("lango --json status --so", "--socket"),
        ("lango doctor --frob", ""),
    ]:
        words = line.split(" ")
        array = " ".join(shlex.quote(word) for word in words)
        ask = f'. {HOTSPOT}/completion.bash; COMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _lango; echo "${{COMPREPLY[@]}}"'
        offered = subprocess.run(["bash", "--norc", "-c", ask], capture_output=True, text=True).stdout.split()
        good = set(wanted.split()) <= set(offered) if wanted else not offered
        check(f"completion of '{line}'", good, offered)
    ask = f"autoload -U compinit && compinit -u -d {HOTSPOT}/dump; . {HOTSPOT}/completion.zsh; whence -w _lango; echo $_comps[lango]"
    said = subprocess.run(["zsh", "-f", "-c", ask], capture_output=True, text=True)
    check("zsh knows whom to ask", "function" in said.stdout and "bash_complete" in said.stdout, said)


def everything():
    colours()
    sorting()
    top()
    metrics()
    manual()
    completion()
