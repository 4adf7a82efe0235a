"""A folder of packages as a repository: indexes, hashes, signatures; and that a changed byte is noticed."""

import gzip
import hashlib
import shutil
import subprocess
import tempfile
import zlib
from pathlib import Path

import apk_reader
import ipk_reader
from ledger import check, fails, same

NOT_INDEXED = {"Maintainer", "LicenseFiles", "Source", "SourceName", "Require-User", "SourceDateEpoch"}


def run(out: Path, what: str) -> None:
    """All of them, of every architecture in `out`."""
    folders = sorted(it for it in out.iterdir() if it.name != "keys")
    check(f"{what}: Packages says what is in the packages", lambda: [_packages(it) for it in folders])
    check(f"{what}: signify accepts Packages.sig", lambda: [signify(it, out / "keys") for it in folders])
    check(f"{what}: packages.adb says what is in the packages", lambda: [_adb(it) for it in folders])
    check(f"{what}: openssl accepts every signature of apk", lambda: [_signed(it, out / "keys") for it in folders])


def tampering(out: Path, other_keys: Path) -> None:
    """On copies."""
    folder = next(it for it in sorted(out.iterdir()) if it.name != "keys")
    check("a changed byte of Packages fails signify", lambda: _changed_packages(folder, out / "keys"))
    check("a changed byte of an ipk is not what Packages says", lambda: _changed_ipk(folder))
    check("a changed value of an apk fails openssl", lambda: _changed_values(folder, out / "keys"))
    check("a changed byte of a file in an apk fails its hash", lambda: _changed_file(folder))
    check("a changed byte of packages.adb fails openssl", lambda: _changed_index(folder, out / "keys"))

    def foreign() -> None:
        fails(AssertionError, lambda: _signed(folder, other_keys))
        fails(subprocess.CalledProcessError, lambda: signify(folder, other_keys))

    check("a foreign key accepts nothing", foreign)


def signify(folder: Path, keys: Path) -> None:
    """Verifies `Packages` by the program itself; OpenWrt names the key's file by its number."""
    (public,) = [it for it in keys.iterdir() if it.suffix != ".pem"]
    lines = public.read_text().splitlines()
    same(lines[0], f"untrusted comment: public key {public.name}")
    verify = ["signify-openbsd", "-V", "-p", public, "-x", folder / "Packages.sig", "-m", folder / "Packages"]
    subprocess.run(verify, capture_output=True, check=True)


def _packages(folder: Path) -> None:
    plain = (folder / "Packages").read_bytes()
    same(gzip.decompress((folder / "Packages.gz").read_bytes()), plain)
    ipk_reader.gunzip((folder / "Packages.gz").read_bytes())
    assert (64 + len(plain)) % 128 not in (110, 111), "a length that usign has counted wrong"
    stanzas = [ipk_reader.fields(it) for it in plain.decode().strip("\n").split("\n\n")]
    same([it["Filename"] for it in stanzas], sorted(it.name for it in folder.glob("*.ipk")))
    for stanza in stanzas:
        content = (folder / stanza["Filename"]).read_bytes()
        told = {name: it for name, it in ipk_reader.read(content).fields.items() if name not in NOT_INDEXED}
        about = {"Filename": stanza["Filename"], "Size": str(len(content)), "SHA256sum": _sha256(content)}
        description = {"Description": told.pop("Description")}
        same(list(stanza.items()), list((told | about | description).items()))


def _adb(folder: Path) -> None:
    index = apk_reader.read((folder / "packages.adb").read_bytes())
    same((index.schema, index.data, sorted(index.root)), (b"indx", [], [1, 2]))
    rows = [apk_reader.info(it) for it in index.root[2]]
    files = {it.name: it.read_bytes() for it in folder.glob("*.apk")}
    same([f"{it['name'].decode()}-{it['version'].decode()}.apk" for it in rows], sorted(files, key=_name))
    for row, name in zip(rows, sorted(files, key=_name), strict=True):
        apk = apk_reader.package(apk_reader.read(files[name]))
        digest = hashlib.sha256(apk.adb.values).digest()
        same(row, apk.info | {"hashes": digest, "file-size": len(files[name])})


def _signed(folder: Path, keys: Path) -> None:
    for path in [*folder.glob("*.apk"), folder / "packages.adb"]:
        apk_reader.verify(apk_reader.read(path.read_bytes()), keys / "lango.pem")


def _changed_packages(folder: Path, keys: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copytree(folder, Path(scratch) / "copy"))
        _flip(copy / "Packages", 40)
        fails(subprocess.CalledProcessError, lambda: signify(copy, keys))


def _changed_ipk(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copytree(folder, Path(scratch) / "copy"))
        _flip(next(copy.glob("lango_*.ipk")), -30)
        fails((AssertionError, zlib.error), lambda: _packages(copy))


def _changed_values(folder: Path, keys: Path) -> None:
    plain = _inflated(folder)
    at = plain.index(b"Nobody")
    adb = apk_reader.read(_deflated(plain[:at] + b"Somebo"[:6] + plain[at + 6 :]))
    fails(subprocess.CalledProcessError, lambda: apk_reader.verify(adb, keys / "lango.pem"))
    fails(AssertionError, lambda: apk_reader.package(adb))


def _changed_file(folder: Path) -> None:
    plain = bytearray(_inflated(folder))
    plain[-20_000] ^= 1
    fails(AssertionError, lambda: apk_reader.package(apk_reader.read(_deflated(bytes(plain)))))


def _changed_index(folder: Path, keys: Path) -> None:
    plain = bytearray(_inflated(folder, "packages.adb"))
    plain[plain.index(b"noarch")] ^= 1
    adb = apk_reader.read(_deflated(bytes(plain)))
    fails(subprocess.CalledProcessError, lambda: apk_reader.verify(adb, keys / "lango.pem"))


def _inflated(folder: Path, pattern: str = "lango-*.apk") -> bytes:
    return zlib.decompress(next(folder.glob(pattern)).read_bytes()[4:], -15)


def _deflated(plain: bytes) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"ADBd" + squeeze.compress(plain) + squeeze.flush()


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def _name(filename: str) -> str:
    return filename.rsplit("-", 2)[0]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
