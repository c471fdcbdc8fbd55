"""Canaries: short texts that stand nowhere but where they were put, and the search for them in any notation.

They are made anew in each run. Most bear the run's mark, by which a large haystack is searched quickly;
numbers and secrets, whose form is not ours to choose, are searched for as they are.
"""

import base64
import secrets
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote

_FOREIGN = "бвгджзиклмнпрстфхцчшщэюя"
_AROUND = 160
"""Bytes around a mark: longer than any canary in any notation."""


@dataclass(frozen=True)
class Canary:
    """One text, and what it stands for: a recipient, a body, a secret."""

    kind: str
    text: str

    @cached_property
    def notations(self) -> dict[str, bytes]:
        """How it may be written; those that are the same as another are left out."""
        return notations(self.text)


def notations(text: str) -> dict[str, bytes]:
    """The text in every notation that a log, a payload or a URL may have it in."""
    raw = text.encode()
    made = {
        "plain": raw,
        "upper case": text.upper().encode(),
        "percent-encoded": quote(text).encode(),
        "percent-encoded, lower case": quote(text).lower().encode(),
        "JSON": "".join(_escaped(character, "\\u{:04x}") for character in text).encode(),
        "JSON, upper case": "".join(_escaped(character, "\\u{:04X}") for character in text).encode(),
        "bytes as Python shows them": "".join(_byte(byte, "\\x{:02x}") for byte in raw).encode(),
        "bytes as protobuf shows them": "".join(_byte(byte, "\\{:03o}") for byte in raw).encode(),
        "quoted-printable": "".join(_byte(byte, "={:02X}") for byte in raw).encode(),
        "hex": raw.hex().encode(),
        "hex, upper case": raw.hex().upper().encode(),
    }
    for offset in range(3):
        for name, alphabet in (("base64", b"+/"), ("base64url", b"-_")):
            made[f"{name}, {offset} bytes on"] = _within_base64(raw, offset, alphabet)
    return {
        name: form for form, name in reversed({form: name for name, form in reversed(made.items())}.items())
    }


def _escaped(character: str, form: str) -> str:
    return character if character.isascii() else form.format(ord(character))


def _byte(byte: int, form: str) -> str:
    return chr(byte) if 32 <= byte < 127 else form.format(byte)


def _within_base64(raw: bytes, offset: int, alphabet: bytes) -> bytes:
    """The characters that stand for these bytes alone, when `offset` bytes of others come before them."""
    whole = base64.b64encode(bytes(offset) + raw, altchars=alphabet).rstrip(b"=")
    return whole[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]


@dataclass
class Canaries:
    """All of a run."""

    made: list[Canary] = field(default_factory=list)
    secrets: list[Canary] = field(default_factory=list)
    """Without the mark."""
    _mark: str = field(default_factory=lambda: _some(string.ascii_lowercase, 4))
    _foreign_mark: str = field(default_factory=lambda: _some(_FOREIGN, 3))

    def word(self, kind: str) -> str:
        """A new one of ten letters, which nothing tells from a word."""
        return self._keep(kind, self._mark + _some(string.ascii_lowercase, 6))

    def foreign(self, kind: str) -> str:
        """A new one of eight letters outside ASCII: each notation writes it in another way."""
        return self._keep(kind, self._foreign_mark + _some(_FOREIGN, 5))

    def text(self, kind: str) -> str:
        """One of each in a sentence."""
        return f"for {self.word(kind)}, or {self.foreign(kind)}"

    def address(self) -> str:
        """A new e-mail address: both its parts."""
        return f"{self.word('address')}@{self.word('domain')}.example.com"

    def number(self, ending: str = "") -> str:
        """A new number with this ending; searched for without its country's code."""
        national = "15" + _some(string.digits, 9 - len(ending)) + ending
        self.secrets.append(Canary("number", national))
        return f"+49{national}"

    def secret(self, kind: str, text: str) -> str:
        """Also search for this one, by two pieces: a part of a secret is too much."""
        middle = len(text) // 2
        for start in {middle, max(middle, len(text) - 14)}:
            self.secrets.append(Canary(kind, text[start : start + 12]))
        return text

    @property
    def all(self) -> list[Canary]:
        """Every one of them."""
        return self.made + self.secrets

    @property
    def kinds(self) -> set[str]:
        """What they stand for."""
        return {canary.kind for canary in self.all}

    def found_in(self, data: bytes) -> set[tuple[Canary, str]]:
        """Those that stand there, and in which notation."""
        found = {
            (canary, name)
            for canary in self.secrets
            for name, form in canary.notations.items()
            if form in data
        }
        if near := b"\0\0".join(self._near_marks(data)):
            found |= {
                (canary, name)
                for canary in self.made
                for name, form in canary.notations.items()
                if form in near
            }
        return found

    def _near_marks(self, data: bytes) -> Iterator[bytes]:
        marks = {*notations(self._mark).values(), *notations(self._foreign_mark).values()}
        for mark in marks:
            at = data.find(mark)
            while at >= 0:
                yield data[max(0, at - _AROUND) : at + _AROUND]
                at = data.find(mark, at + 1)

    def _keep(self, kind: str, text: str) -> str:
        self.made.append(Canary(kind, text))
        return text


def _some(alphabet: str, count: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(count))
