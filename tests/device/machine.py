"""A board in qemu with a disk for its flash, whose power can go at any moment; what `cuts` and `whole` are played on."""

import subprocess
import threading
from pathlib import Path

SIZE = 16 << 20  # as small boards have it
PROCESSORS = {"arm64": ["qemu-system-aarch64", "-cpu", "cortex-a53"], "armhf": ["qemu-system-arm", "-cpu", "cortex-a7"]}


class Machine:
    """One boot, from the power's coming to its going."""

    def __init__(self, command: list[str], log: Path, patience: float) -> None:
        self.lines: list[str] = []
        # How far the log of the disk was when each line came, or farther.
        self.behind: list[int] = []
        self._log, self._patience = log, patience
        self._news = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            with self._news:
                self.lines.append(line.decode(errors="replace").strip())
                self.behind.append(self._log.stat().st_size)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait(self, line: str, times: int = 1) -> bool:
        """Whether so many lines that begin so came in time."""

        def there() -> bool:
            return sum(1 for it in self.lines if it.startswith(line)) >= times

        with self._news:
            self._news.wait_for(lambda: self._ended or there(), self._patience)
            return there()

    def kill(self) -> None:
        """No more power. What was still said before is among the lines."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def told_by(self, end: int) -> list[str]:
        """What was told while the log was no longer than `end`."""
        return [line for line, behind in zip(self.lines, self.behind, strict=True) if behind <= end]


def command(arch: str, kernel: str, initrd: Path, disk: Path, log: Path, steps: str) -> list[str]:
    """How qemu is started: what is written to `disk` stands in `log` too, in its order.

    Time is that of this machine, so its being busy for a while would look like a kernel that is stuck.
    """
    return [
        *PROCESSORS[arch], "-machine", "virt", "-accel", "tcg", "-m", "128", "-smp", "1",
        "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
        "-blockdev", f"driver=file,node-name=file,filename={disk},cache.no-flush=on",
        "-blockdev", f"driver=file,node-name=log,filename={log},cache.no-flush=on",
        "-blockdev", "driver=blklogwrites,node-name=disk,file=file,log=log",
        "-device", "virtio-blk-device,drive=disk",
        "-kernel", kernel, "-initrd", str(initrd),
        "-append", f"console=ttyAMA0 quiet panic=-1 cma=0 nowatchdog rcupdate.rcu_cpu_stall_suppress=1 steps={steps}",
    ]  # fmt: skip


def pack(initrd: Path, folder: Path, made: Path) -> None:
    """Makes the first root `made`: `initrd`, and what is in `folder` as an archive behind it."""
    names = sorted(str(it.relative_to(folder)) for it in folder.rglob("*"))
    packed = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"],
        input="\n".join(names).encode(), cwd=folder, capture_output=True, check=True,
    )  # fmt: skip
    made.write_bytes(initrd.read_bytes() + packed.stdout)


def fresh_disk(image: Path) -> None:
    """An empty flash of the size that small boards have."""
    image.unlink(missing_ok=True)
    with image.open("wb") as disk:
        disk.truncate(SIZE)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", str(image)], check=True)
