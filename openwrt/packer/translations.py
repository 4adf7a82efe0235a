"""Translations of LuCI: a .po file becomes the .lmo that LuCI looks texts up in, by the hash of the text.

The file is all translations, each padded to four bytes; the index of them, sorted by hash; where the index begins.
Numbers are big-endian. With OpenWrt's build, luci.mk does this, and makes a package for each language.
"""

import re
import struct
from dataclasses import dataclass, field
from typing import Final

_LINE = re.compile(r'(?:(msgctxt|msgid_plural|msgid|msgstr)(?:\[(\d)\])? )?"(.*)"')
_WORD: Final = 0xFFFF_FFFF


@dataclass
class Message:
    """One entry of a .po file."""

    context: str = ""
    text: str = ""
    plural: str = ""
    translations: dict[int, str] = field(default_factory=dict)

    def key(self, form: int) -> bytes:
        """What is looked up, with the context before it and the form behind."""
        before = f"{self.context}\x01" if self.context else ""
        behind = f"\x02{form}" if self.plural else ""
        return f"{before}{self.text}{behind}".encode()


def compiled(po: str) -> bytes:
    """The .lmo of a .po; empty if nothing in it is translated."""
    texts, index = bytearray(), []
    for message in messages(po):
        for key, forms, text in _entries(message):
            index.append(struct.pack(">4I", key, forms, len(texts), len(text)))
            texts += text + bytes(-len(text) % 4)
    return bytes(texts) + b"".join(sorted(index)) + struct.pack(">I", len(texts)) if texts else b""


def messages(po: str) -> list[Message]:
    """What a .po file says; comments are passed over."""
    found: list[Message] = []
    began, form = "", 0
    for number, line in enumerate(po.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = _LINE.fullmatch(line.strip())
        if parts is None:
            raise ValueError(f"line {number} of a translation: {line}")
        keyword, which, raw = parts.groups()
        if keyword == "msgctxt" or (keyword == "msgid" and began != "msgctxt"):
            found.append(Message())
        began, form = keyword or began, int(which or 0) if keyword else form
        if not found:
            raise ValueError(f"line {number} of a translation belongs to nothing")
        _extend(found[-1], began, form, re.sub(r'\\(["\\])', r"\1", raw))
    return found


def _extend(message: Message, keyword: str, form: int, text: str) -> None:
    match keyword:
        case "msgctxt":
            message.context += text
        case "msgid":
            message.text += text
        case "msgid_plural":
            message.plural += text
        case _:
            message.translations[form] = message.translations.get(form, "") + text


def _entries(message: Message) -> list[tuple[int, int, bytes]]:
    """Hash, number of forms and translation; the rule of plurals, which stands in the header, has the hash 0."""
    if not message.text:
        rule = re.search(r"Plural-Forms: (.*?)\\n", message.translations.get(0, ""))
        return [(0, 0, rule.group(1).encode())] if rule else []
    if not message.translations.get(0):
        return []
    forms = max(message.translations) + 1
    pairs = [(message.key(form), text.encode()) for form, text in sorted(message.translations.items()) if text]
    return [(hashed(key), forms, text) for key, text in pairs if hashed(key) != hashed(text)]


def hashed(text: bytes) -> int:
    """SuperFastHash, begun with the length; bytes that are left over count as signed."""
    value = len(text)
    whole, rest = text[: len(text) & ~3], text[len(text) & ~3 :]
    for low, high in struct.iter_unpack("<HH", whole):
        value = (value + low) & _WORD
        value = (value << 16) & _WORD ^ (high << 11) ^ value
        value = (value + (value >> 11)) & _WORD
    match len(rest):
        case 3:
            value = (value + int.from_bytes(rest[:2], "little")) & _WORD
            value ^= (value << 16) & _WORD
            value ^= (_signed(rest[2]) << 18) & _WORD
            value += value >> 11
        case 2:
            value = (value + int.from_bytes(rest, "little")) & _WORD
            value ^= (value << 11) & _WORD
            value += value >> 17
        case 1:
            value = (value + _signed(rest[0])) & _WORD
            value ^= (value << 10) & _WORD
            value += value >> 1
    for left, right in ((3, 5), (4, 17), (25, 6)):
        value = value & _WORD ^ (value << left) & _WORD
        value += value >> right
    return value & _WORD


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte
