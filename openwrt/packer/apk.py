"""The .apk of version 3 (25.12 on), and the index that `apk` looks packages up in."""

import hashlib
import struct
from dataclasses import dataclass
from posixpath import basename
from typing import Final

from .adb import INDEX, PACKAGE, Sign, Values, container, seal
from .hooks import for_apk
from .manifest import Package
from .payload import FOLDER_MODE, File, Link, Payload, shipped_conffiles

_UNIQUE_ID: Final = 20
_SYMLINK: Final = 0o120000
# Fields of what is told of a package, by name; those of an index in it are the last two.
_NAME, _VERSION, _HASHES, _DESCRIPTION, _ARCH, _LICENSE, _ORIGIN, _MAINTAINER = range(1, 9)
_BUILT, _INSTALLED, _FILE_SIZE, _DEPENDS = 11, 12, 13, 15
_SCRIPTS: Final = {"post-install": 3, "pre-deinstall": 4, "post-upgrade": 7}


@dataclass(frozen=True)
class About:
    """What a package and an index both say of it."""

    package: Package
    version: str
    arch: str
    epoch: int
    installed: int


@dataclass(frozen=True)
class Apk:
    """A finished package, and what its index needs of it."""

    filename: str
    about: About
    digest: bytes
    content: bytes


def write(package: Package, version: str, arch: str, payload: Payload, epoch: int, key_id: bytes, sign: Sign) -> Apk:
    """One .apk; `arch` is `noarch` for what runs everywhere."""
    whole = _with_lists(package, payload)
    files = [entry for entry in whole.entries().values() if isinstance(entry, File)]
    about = About(package, version, arch, epoch, max(1, sum(len(file.content) for file in files)))
    values = Values()
    name, hole = values.hole(_UNIQUE_ID)
    info = values.object(_told(values, about) | {_HASHES: name})
    paths, data = _paths(values, whole, epoch)
    scripts = {_SCRIPTS[name]: values.blob(text) for name, text in for_apk(package).items()}
    root = values.object({1: info, 2: paths, 3: values.object(scripts)})
    block = seal(values.finish(root), hole, _UNIQUE_ID)
    content = container(PACKAGE, block, key_id, sign, data)
    return Apk(f"{package.name}-{version}.apk", about, hashlib.sha256(block).digest(), content)


def write_index(apks: list[Apk], description: str, key_id: bytes, sign: Sign) -> bytes:
    """`packages.adb`: the packages beside it, by name."""
    values = Values()
    rows = [
        values.object(
            _told(values, apk.about) | {_HASHES: values.blob(apk.digest), _FILE_SIZE: values.number(len(apk.content))}
        )
        for apk in sorted(apks, key=lambda apk: apk.about.package.name)
    ]
    root = values.object({1: values.blob(description), 2: values.array(rows)})
    return container(INDEX, values.finish(root), key_id, sign)


def _told(values: Values, about: About) -> dict[int, int]:
    package = about.package
    depends = [values.object({1: values.blob(name)}) for name in sorted(set(package.depends))]
    return {
        _NAME: values.blob(package.name),
        _VERSION: values.blob(about.version),
        _DESCRIPTION: values.blob(package.description.replace("\n", " ")),
        _ARCH: values.blob(about.arch),
        _LICENSE: values.blob(package.license),
        _ORIGIN: values.blob(f"feeds/lango/{package.name}"),
        _MAINTAINER: values.blob(package.maintainer),
        _BUILT: values.number(about.epoch),
        _INSTALLED: values.number(about.installed),
        _DEPENDS: values.array(depends),
    }


def _with_lists(package: Package, payload: Payload) -> Payload:
    """What opkg keeps in files of its own, apk's side of OpenWrt finds in the package."""
    whole, lists = Payload(), f"/lib/apk/packages/{package.name}"
    for path, entry in payload.entries().items():
        whole.add(path, entry)
    if package.user:
        whole.add(f"{lists}.rusers", _text([package.user]))
    listed = whole.paths()
    whole.add(f"{lists}.list", _text(listed))
    if package.conffiles:
        whole.add(f"{lists}.conffiles", _text(list(package.conffiles)))
    sums = [f"{path} {hashlib.sha256(content).hexdigest()}" for path, content in shipped_conffiles(package, payload)]
    if sums:
        whole.add(f"{lists}.conffiles_static", _text(sums))
    return whole


def _text(lines: list[str]) -> File:
    return File(0o644, "".join(f"{line}\n" for line in lines).encode())


def _paths(values: Values, payload: Payload, epoch: int) -> tuple[int, list[bytes]]:
    """The folders with their files, and the content of the files in the same order."""
    entries, rows, data = payload.entries(), [], []
    for at, folder in enumerate(payload.folders(), 1):
        inside = [path for path in payload.paths() if path.rpartition("/")[0].lstrip("/") == folder]
        files = []
        for number, path in enumerate(inside, 1):
            entry = entries[path]
            files.append(_file(values, basename(path), entry, epoch))
            if isinstance(entry, File) and entry.content:
                data.append(struct.pack("<II", at, number) + entry.content)
        rows.append(values.object({1: values.blob(folder), 2: _acl(values, FOLDER_MODE), 3: values.array(files)}))
    return values.array(rows), data


def _file(values: Values, name: str, entry: File | Link, epoch: int) -> int:
    fields = {1: values.blob(name), 4: values.number(epoch)}
    if isinstance(entry, File):
        fields[2] = _acl(values, entry.mode)
        fields[3] = values.number(len(entry.content))
        fields[5] = values.blob(hashlib.sha256(entry.content).digest())
    else:
        fields[2] = _acl(values, 0o777)
        fields[3] = values.number(len(entry.target.encode()))
        fields[6] = values.blob(struct.pack("<H", _SYMLINK) + entry.target.encode())
    return values.object(fields)


def _acl(values: Values, mode: int) -> int:
    root = values.blob("root")
    return values.object({1: values.number(mode), 2: root, 3: root})
