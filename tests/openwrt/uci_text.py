"""UCI text, read and written: sections with options and lists, as far as OpenWrt's own files go."""

import shlex
from dataclasses import dataclass, field


@dataclass
class Section:
    """One section; a list is a list."""

    kind: str
    name: str = ""
    options: dict[str, str | list[str]] = field(default_factory=dict)


def read(text: str) -> list[Section]:
    """All sections of a file, or of what `uci export` prints."""
    sections: list[Section] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = shlex.split(line, comments=True)
        match words:
            case [] | ["package", _]:
                pass
            case ["config", kind, *name] if len(name) < 2:
                sections.append(Section(kind, *name))
            case ["option", key, value]:
                sections[-1].options[key] = value
            case ["list", key, value]:
                values = sections[-1].options.setdefault(key, [])
                assert isinstance(values, list), f"line {number}: {key} is no list"
                values.append(value)
            case _:
                raise ValueError(f"line {number}: {line!r}")
    return sections


def write(sections: list[Section]) -> str:
    """As uci writes it."""
    return "\n".join(_section(it) for it in sections)


def quoted(value: str) -> str:
    """In quotes, whatever is in it."""
    return "'" + value.replace("'", "'\\''") + "'"


def _section(section: Section) -> str:
    lines = [f"config {section.kind}" + (f" {quoted(section.name)}" if section.name else "")]
    for key, value in section.options.items():
        if isinstance(value, list):
            lines += [f"\tlist {key} {quoted(it)}" for it in value]
        else:
            lines.append(f"\toption {key} {quoted(value)}")
    return "\n".join(lines) + "\n"
