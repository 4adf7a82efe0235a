"""What a package unpacks to: folders, files and links, in memory, whatever the format around them."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .manifest import Language, Package
from .translations import compiled


@dataclass(frozen=True)
class File:
    """A regular file."""

    mode: int
    content: bytes


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


FOLDER_MODE = 0o755


class Payload:
    """Entries by absolute path. Folders follow from them."""

    def __init__(self) -> None:
        self._entries: dict[str, File | Link] = {}

    def add(self, path: str, entry: File | Link) -> None:
        """Adds one entry; twice the same path is an error, and so is one that a path could leave the root by."""
        if not path.startswith("/") or ".." in PurePosixPath(path).parts or path in self._entries:
            raise ValueError(f"cannot ship {path}")
        self._entries[path] = entry

    def get(self, path: str) -> File | Link | None:
        """The entry at a path."""
        return self._entries.get(path)

    def paths(self) -> list[str]:
        """Every path but folders, sorted as bytes are."""
        return sorted(self._entries, key=str.encode)

    def folders(self) -> list[str]:
        """Every folder on the way, the root as "", sorted; without a leading slash."""
        ways = {str(parent).lstrip("/") for path in self._entries for parent in PurePosixPath(path).parents}
        return sorted(ways | {""}, key=str.encode)

    def entries(self) -> dict[str, File | Link]:
        """A copy of all entries."""
        return dict(self._entries)


def collect(package: Package, folder: Path, binary: Path | None) -> Payload:
    """Reads what the manifest names. Sources are in `folder`; the program is `binary`."""
    payload = Payload()
    for source in package.files:
        made = Link(source.link) if source.link else _file(source.origin, source.mode, folder, binary)
        payload.add(source.path, made)
    for tree in package.trees:
        top = folder / tree.origin
        for path in sorted(it for it in top.rglob("*") if it.is_file()):
            mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            payload.add(str(PurePosixPath(tree.to) / path.relative_to(top)), File(mode, path.read_bytes()))
    for language in package.languages:
        _translate(payload, language, folder)
    kept = [path for path in package.conffiles if not isinstance(payload.get(path), File)]
    if kept and payload.paths():
        payload.add(f"/lib/upgrade/keep.d/{package.name}", File(0o644, _lines(kept)))
    return payload


def _translate(payload: Payload, language: Language, folder: Path) -> None:
    """As luci.mk names things; LuCI offers a language once it is told of."""
    for path in sorted((folder / language.origin / language.code).glob("*.po")):
        lmo = f"/usr/lib/lua/luci/i18n/{path.stem}.{language.code}.lmo"
        payload.add(lmo, File(0o644, compiled(path.read_text())))
        key, script = language.code.replace("-", "_"), f"luci-i18n-{path.stem}-{language.code}"
        told = f"uci set luci.languages.{key}='{language.title}'; uci commit luci\n"
        payload.add(f"/etc/uci-defaults/{script}", File(0o644, told.encode()))


def shipped_conffiles(package: Package, payload: Payload) -> list[tuple[str, bytes]]:
    """The configuration files that are in the package, and what is in them."""
    found = ((path, payload.get(path)) for path in sorted(package.conffiles, key=str.encode))
    return [(path, entry.content) for path, entry in found if isinstance(entry, File)]


def _file(origin: str, mode: int, folder: Path, binary: Path | None) -> File:
    if origin != "@binary":
        return File(mode, (folder / origin).read_bytes())
    if binary is None:
        raise ValueError("a package for all architectures cannot hold a program")
    return File(mode, binary.read_bytes())


def _lines(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
