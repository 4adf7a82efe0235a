"""The .ipk that opkg reads (24.10 and before): a compressed tar of two compressed tars."""

import io
import tarfile
import zlib
from dataclasses import dataclass

from .hooks import for_opkg
from .manifest import Package
from .payload import FOLDER_MODE, File, Payload, shipped_conffiles


@dataclass(frozen=True)
class Ipk:
    """A finished package."""

    filename: str
    control: str
    content: bytes


def write(package: Package, version: str, arch: str, payload: Payload, epoch: int) -> Ipk:
    """One .ipk; `arch` is `all` for what runs everywhere."""
    data = _data(payload, epoch)
    control = _control(package, version, arch, len(data), epoch)
    parts = {
        "./debian-binary": File(0o644, b"2.0\n"),
        "./data.tar.gz": File(0o644, gzip(data)),
        "./control.tar.gz": File(0o644, gzip(_beside(package, control, payload, epoch))),
    }
    tar = _Tar(epoch)
    for name, part in parts.items():
        tar.file(name, part)
    return Ipk(f"{package.name}_{version}_{arch}.ipk", control, gzip(tar.close()))


def gzip(content: bytes) -> bytes:
    """As `gzip -9n`: no name and no time."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31, 9)
    return squeeze.compress(content) + squeeze.flush()


def _control(package: Package, version: str, arch: str, size: int, epoch: int) -> str:
    fields = {
        "Package": package.name,
        "Version": version,
        "Depends": ", ".join(dict.fromkeys(package.depends)),
        "Source": f"feeds/lango/{package.name}",
        "SourceName": package.name,
        "License": package.license,
        "LicenseFiles": " ".join(package.license_files),
        "Section": package.section,
        "Require-User": package.user,
        "SourceDateEpoch": str(epoch),
        "Maintainer": package.maintainer,
        "Architecture": arch,
        "Installed-Size": str(size),
        "Description": package.description.replace("\n", "\n "),
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)


def _beside(package: Package, control: str, payload: Payload, epoch: int) -> bytes:
    files = {name: File(0o755, content) for name, content in for_opkg(package).items()}
    files["control"] = File(0o644, control.encode())
    conffiles = "".join(f"{path}\n" for path, _ in shipped_conffiles(package, payload))
    if conffiles:
        files["conffiles"] = File(0o644, conffiles.encode())
    tar = _Tar(epoch)
    tar.folder("./")
    for name in sorted(files):
        tar.file(f"./{name}", files[name])
    return tar.close()


def _data(payload: Payload, epoch: int) -> bytes:
    """Every folder before what is in it, and names in their order, as tar does that sorts by name."""
    folders = {f"/{folder}".rstrip("/") for folder in payload.folders()}
    tar = _Tar(epoch)
    for path in sorted(folders | set(payload.paths()), key=lambda path: path.encode().split(b"/")):
        entry = payload.get(path)
        if entry is None:
            tar.folder(f".{path}/")
        elif isinstance(entry, File):
            tar.file(f".{path}", entry)
        else:
            tar.link(f".{path}", entry.target)
    return tar.close()


class _Tar:
    """GNU's format, everything root's and of one time."""

    def __init__(self, epoch: int) -> None:
        self._out = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._out, mode="w", format=tarfile.GNU_FORMAT)
        self._epoch = epoch

    def folder(self, name: str) -> None:
        self._add(name, tarfile.DIRTYPE, FOLDER_MODE)

    def file(self, name: str, file: File) -> None:
        self._add(name, tarfile.REGTYPE, file.mode, content=file.content)

    def link(self, name: str, target: str) -> None:
        self._add(name, tarfile.SYMTYPE, 0o777, target=target)

    def close(self) -> bytes:
        self._tar.close()
        return self._out.getvalue()

    def _add(self, name: str, kind: bytes, mode: int, content: bytes = b"", target: str = "") -> None:
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.linkname = kind, mode, target
        info.size, info.mtime = len(content), self._epoch
        self._tar.addfile(info, io.BytesIO(content))
