"""The checks of `run`."""

import sys
import tempfile
from pathlib import Path

import builds
import feed_checks
import hook_checks
import ledger
import luci_checks
import real_checks
import repository_checks
import sample_checks
import service_checks
import writer_checks


def main() -> None:
    """Builds the sample, and what is handed out; `--binaries DIR` is passed on for the latter."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        programs, key = builds.programs(folder), builds.key(folder, "key.pem")
        sample = builds.sample(folder / "sample", key, programs)
        other = builds.sample(folder / "other", builds.key(folder, "other.pem"), programs)
        program = (programs / builds.TARGETS[0] / "release/lango").read_bytes()
        ledger.check("the sample can be read", lambda: sample_checks.run(sample, program))
        repository_checks.run(sample, "sample")
        repository_checks.tampering(sample, other / "keys")
        writer_checks.run(sample, key, programs)
        real = folder / "real"
        ledger.check("openwrt/package --all", lambda: _real(real, key))
        repository_checks.run(real, "all")
        real_checks.run(real)
        feed_checks.run(real)
        luci_checks.run(real)
        service_checks.run()
        ledger.check("the hooks can be read", lambda: hook_checks.run(real))
    ledger.closing()


def _real(out: Path, key: Path) -> None:
    print(builds.package("--all", "--key", key, "--output", out, *sys.argv[1:]))


main()
