"""The app of LuCI: its menu and grants lead to what there is, and every text of it is translated."""

import json
import re
from pathlib import Path

import ipk_reader
import lmo_reader
from builds import TOP
from ledger import check, same

APP = TOP / "openwrt/luci-app-lango"
RESOURCES = APP / "htdocs/luci-static/resources"
LANGUAGES = ("fr", "sw")
# Those whose names luci.mk knows.
OF_LUCI = ("fr",)

_TEXT = re.compile(r"\b_\('((?:[^'\\]|\\.)*)'")
_ENTRY = re.compile(r'^msgid "(.+)"\nmsgstr "(.*)"$', re.MULTILINE)


def run(real: Path) -> None:
    """All of them; `real` is what was built from the manifest."""
    check("luci: the menu leads to pages that are there, for groups that are there", _menu)
    check("luci: pages require what is there, call what is granted, and load nothing from elsewhere", _scripts)
    check("luci: the template has every text, and no other", lambda: same(set(_entries("templates/lango.pot")), texts()))
    for language in LANGUAGES:
        check(f"luci: every text in {language}, with the same places to fill", lambda it=language: _translated(it))
    check("luci: the package holds the app and its translations", lambda: _packaged(real))


def texts() -> set[str]:
    """What the app says."""
    scripts = "".join(path.read_text() for path in RESOURCES.rglob("*.js"))
    found = {re.sub(r"\\(.)", r"\1", it) for it in _TEXT.findall(scripts)}
    titles = {node["title"] for node in _menu_nodes().values()}
    return found | titles | {group["description"] for group in _groups().values()}


def _menu_nodes() -> dict:
    return json.loads((APP / "root/usr/share/luci/menu.d/luci-app-lango.json").read_text())


def _groups() -> dict:
    return json.loads((APP / "root/usr/share/rpcd/acl.d/luci-app-lango.json").read_text())


def _menu() -> None:
    for path, node in _menu_nodes().items():
        assert path.startswith("admin/services/lango"), path
        if node["action"]["type"] == "view":
            assert (RESOURCES / "view" / f"{node['action']['path']}.js").is_file(), node
            assert set(node["depends"]["acl"]) <= set(_groups()), node
    views = {node["action"].get("path") for node in _menu_nodes().values()} - {None}
    same({f"lango/{path.stem}" for path in (RESOURCES / "view/lango").iterdir()}, views)


def _scripts() -> None:
    granted = {
        (called, method)
        for group in _groups().values()
        for right in ("read", "write")
        for called, methods in group.get(right, {}).get("ubus", {}).items()
        for method in methods
    }
    of_luci = {"view", "form", "uci", "ui", "rpc", "dom", "poll", "baseclass"}
    called = set()
    for path in RESOURCES.rglob("*.js"):
        script = path.read_text()
        for needed in re.findall(r"^'require ([\w.]+)", script, re.MULTILINE):
            assert needed in of_luci or (RESOURCES / f"{needed.replace('.', '/')}.js").is_file(), (path.name, needed)
        called |= {("lango", it) for it in re.findall(r"\bmethod\('(\w+)'", script)}
        called |= set(re.findall(r"object: '(\w+)',\s+method: '(\w+)'", script))
        assert "innerHTML" not in script and "eval(" not in script, path.name
        # Not even a picture; what is named in texts is no address that is loaded.
        assert not re.search(r"(src|href)'?\s*[:=]\s*'https?:", script), path.name
    assert called and called <= granted, called - granted


def _entries(path: str) -> dict[str, str]:
    def plain(text: str) -> str:
        return re.sub(r'\\(["\\])', r"\1", text)

    return {plain(text): plain(translated) for text, translated in _ENTRY.findall((APP / "po" / path).read_text())}


def _translated(language: str) -> None:
    entries = _entries(f"{language}/lango.po")
    same(set(entries), texts())
    for text, translated in entries.items():
        assert translated.strip(), f"nothing for {text!r}"
        same(re.findall(r"%[sd]", translated), re.findall(r"%[sd]", text))
        assert "<" not in translated, translated  # LuCI takes titles and help for HTML


def _packaged(real: Path) -> None:
    files = _files(real, "luci-app-lango")
    for path in [it for top in ("htdocs", "root") for it in (APP / top).rglob("*") if it.is_file()]:
        there = path.relative_to(APP).as_posix().replace("htdocs/", "/www/").replace("root/", "/")
        same(files.pop(there), path.read_bytes())
    same(files, {})
    for language in LANGUAGES:
        name = f"luci-i18n-lango-{language}"
        files = _files(real, name)
        told = files.pop(f"/etc/uci-defaults/{name}").decode()
        title = re.search(rf"luci\.languages\.{language}='(.+)'", told)
        assert title, told
        if language not in OF_LUCI:
            assert f"\nLUCI_LANG.{language}:={title[1]}\n" in (APP / "Makefile").read_text(), title
        lmo = lmo_reader.read(files.pop(f"/usr/lib/lua/luci/i18n/lango.{language}.lmo"))
        rule = {text for hashed, (_, text) in lmo.items() if hashed == 0}
        entries = {it for text, it in _entries(f"{language}/lango.po").items() if it != text}
        same({text for _, text in lmo.values()}, entries | rule)
        same(files, {})


def _files(real: Path, name: str) -> dict[str, bytes]:
    ipk = ipk_reader.read(next(real.glob(f"*/{name}_*.ipk")).read_bytes())
    return {it.name[1:]: it.content for it in ipk.data if it.kind == "file"}
