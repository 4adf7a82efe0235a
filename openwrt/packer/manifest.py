"""Reads `manifest.toml`: what each package is called, needs and holds. A key that nobody reads is an error."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Source:
    """A file to ship, and where it comes from; of `origin` and `link` one is empty."""

    path: str
    origin: str
    link: str
    mode: int


@dataclass(frozen=True)
class Tree:
    """A folder that is shipped whole."""

    origin: str
    to: str


@dataclass(frozen=True)
class Language:
    """A translation of LuCI pages: the code that its folder is named by, and its own name."""

    origin: str
    code: str
    title: str


@dataclass(frozen=True)
class Package:
    """One package, whatever the format."""

    name: str
    per_architecture: bool
    section: str
    description: str
    depends: tuple[str, ...]
    user: str
    conffiles: tuple[str, ...]
    files: tuple[Source, ...]
    trees: tuple[Tree, ...]
    languages: tuple[Language, ...]
    postinst: str
    prerm: str
    license: str
    license_files: tuple[str, ...]
    maintainer: str


@dataclass(frozen=True)
class Manifest:
    """All packages, and the release of the packaging."""

    folder: Path
    release: int
    packages: tuple[Package, ...]


def read(path: Path) -> Manifest:
    """Reads the manifest; paths in it are of the folder that it stands in."""
    table = tomllib.loads(path.read_text())
    common = {
        "license": _take(table, "license", str),
        "license_files": tuple(_take(table, "license_files", list)),
        "maintainer": _take(table, "maintainer", str),
    }
    release = _take(table, "release", int)
    packages = tuple(_package(it, common) for it in _take(table, "package", list))
    _nothing_left(table, str(path))
    return Manifest(path.parent, release, packages)


def _package(table: dict[str, Any], common: dict[str, Any]) -> Package:
    name = _take(table, "name", str)
    package = Package(
        name=name,
        per_architecture=_take(table, "per_architecture", bool),
        section=_take(table, "section", str),
        description=_take(table, "description", str).strip(),
        depends=tuple(_take(table, "depends", list)),
        user=_take(table, "user", str, ""),
        conffiles=tuple(_take(table, "conffiles", list, [])),
        files=tuple(_source(it) for it in _take(table, "files", list, [])),
        trees=tuple(Tree(_take(it, "from", str), _take(it, "to", str)) for it in _take(table, "trees", list, [])),
        languages=_languages(_take(table, "translations", dict, {})),
        postinst=_take(table, "postinst", str, "").strip(),
        prerm=_take(table, "prerm", str, "").strip(),
        **common,
    )
    _nothing_left(table, f"package {name}")
    return package


def _source(table: dict[str, Any]) -> Source:
    path, link = _take(table, "path", str), _take(table, "link", str, "")
    origin = "" if link else _take(table, "from", str)
    mode = 0o777 if link else int(_take(table, "mode", str), 8)
    _nothing_left(table, path)
    return Source(path, origin, link, mode)


def _languages(table: dict[str, Any]) -> tuple[Language, ...]:
    if not table:
        return ()
    origin, titles = _take(table, "from", str), _take(table, "languages", dict)
    _nothing_left(table, origin)
    return tuple(Language(origin, code, title) for code, title in sorted(titles.items()))


def _take(table: dict[str, Any], key: str, kind: type, *default: Any) -> Any:
    value = table.pop(key, *default)
    if type(value) is not kind:
        raise ValueError(f"{key} is no {kind.__name__}: {value!r}")
    return value


def _nothing_left(table: dict[str, Any], where: str) -> None:
    if table:
        raise ValueError(f"{where}: nobody reads {', '.join(table)}")
