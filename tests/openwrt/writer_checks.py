"""What the writer promises beside its formats: the same bytes again, versions, keys, refusals."""

import shutil
import sys
import tempfile
from pathlib import Path

import builds
from builds import HERE, TOP, package
from ledger import check, fails, same

sys.path.insert(0, str(TOP / "openwrt"))
from packer import ipk, opkg_index, p256, version


def run(out: Path, key: Path, binaries: Path) -> None:
    """All of them; `out` is what was built with the key."""
    check("the same tree, key and time give the same bytes", lambda: _again(out, key, binaries))
    check("another time gives others", lambda: _later(out, key, binaries))
    check("versions of cargo in apk's grammar", _versions)
    check("P-256 with the nonces of RFC 6979", _vectors)
    check("an index never has a length that usign counts wrong", _lengths)
    check("a key file is its owner's, and never written over", lambda: _key_file(key))
    check("without a key the throw-away one is named", lambda: _throw_away(binaries))
    check("a folder that holds something else is left alone", lambda: _not_ours(key, binaries))
    check("what cannot be built is refused in one line", lambda: _refused(key, binaries))


def _again(out: Path, key: Path, binaries: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        again = builds.sample(Path(scratch) / "elsewhere", key, binaries, TZ="Asia/Tokyo", LC_ALL="C", COLUMNS="7")
        same(_bytes(again), _bytes(out))


def _later(out: Path, key: Path, binaries: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        later = builds.sample(Path(scratch), key, binaries, SOURCE_DATE_EPOCH=str(builds.EPOCH + 1))
        before, after = _bytes(out), _bytes(later)
        same(list(after), list(before))
        packages = [name for name in after if name.endswith((".ipk", ".apk"))]
        assert packages and all(after[name] != before[name] for name in packages)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(it.relative_to(folder)): it.read_bytes() for it in sorted(folder.rglob("*")) if it.is_file()}


def _versions() -> None:
    same(version.of_cargo("0.1.0", 1), "0.1.0-r1")
    same(version.of_cargo("12.0.30", 4), "12.0.30-r4")
    same(version.of_cargo("1.0.0-rc.1", 1), "1.0.0_rc1-r1")
    same(version.of_cargo("1.0.0-beta.12", 1), "1.0.0_beta12-r1")
    for wrong in ("1.0", "1.0.0+build", "1.0.0-rc", "1.0.0-dev.1", "1.0.0-rc.1.2"):
        fails(ValueError, lambda wrong=wrong: version.of_cargo(wrong, 1))


def _vectors() -> None:
    """RFC 6979, A.2.5."""
    secret = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    wanted = {
        b"sample": "8496a60b5e9b47c825488827e0495b0e3fa109ec4568fd3f8d1097678eb97f00"
        "2362ab1adbe2b8adf9cb9edab740ea6049c028114f2460f96554f61fae3302fe",
        b"test": "461d93f31b6540894788fd206c07cfa0cc35f46fa3c91816fff1040ad1581a04"
        "39af9f15de0db8d97e72719c74820d304ce5226e32dedae67519e840d1194e55",
    }
    for message, numbers in wanted.items():
        der = p256.sign(secret, message)
        same(der[:2], bytes([0x30, len(der) - 2]))
        r, rest = _integer(der[2:])
        s, rest = _integer(rest)
        same((f"{r:064x}{s:064x}", rest), (numbers, b""))


def _integer(der: bytes) -> tuple[int, bytes]:
    kind, size = der[:2]
    same(kind, 2)
    return int.from_bytes(der[2 : 2 + size], "big", signed=True), der[2 + size :]


def _lengths() -> None:
    padded = 0
    for size in range(1, 200):
        index = opkg_index.write([ipk.Ipk("x.ipk", f"Description: {'x' * size}\n", b"")]).plain
        assert (64 + len(index)) % 128 not in (110, 111)
        padded += index.endswith(b"\n\n\n")
    same(padded, 4)


def _key_file(key: Path) -> None:
    same(key.stat().st_mode & 0o777, 0o600)
    before = key.read_bytes()
    package("--new-key", key, wanted=1)
    same(key.read_bytes(), before)


def _throw_away(binaries: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        said = package("--output", scratch, "--binaries", binaries, "--arch", "x86_64")
        assert "thrown away" in said, said
        assert not any(b"PRIVATE" in it for it in _bytes(Path(scratch)).values())


def _refused(key: Path, binaries: Path) -> None:
    manifest = (HERE / "sample/manifest.toml").read_text()
    wrong = {
        "nobody reads": manifest.replace('section = "net"', 'section = "net"\nsections = 1'),
        "cannot ship": manifest.replace('"/top"', '"/usr/sbin/lango"'),
        "is no str": manifest.replace('mode = "0640"', "mode = 640"),
        "No such file": manifest.replace('from = "nothing"', 'from = "missing"'),
    }
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(shutil.copytree(HERE / "sample", Path(scratch) / "sample")) / "manifest.toml"
        options = ("--output", Path(scratch) / "out", "--binaries", binaries)
        for why, text in wrong.items():
            assert text != manifest
            path.write_text(text)
            _one_line(why, "--manifest", path, "--key", key, *options)
        half = Path(scratch) / "half.pem"
        half.write_text(key.read_text().partition("-----END")[0])
        _one_line("a key file holds two", "--key", half, *options)


def _not_ours(key: Path, binaries: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        letter = Path(scratch) / "letter"
        letter.touch()
        _one_line("holds something else", "--output", scratch, "--key", key, "--binaries", binaries)
        assert letter.exists()


def _one_line(why: str, *options: str | Path) -> None:
    said = package(*options, wanted=1)
    assert why in said and len(said.splitlines()) == 1, said
