"""The keys that payloads are sealed with: read from the settings, made new."""

import base64
import binascii
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from tidings.errors import SetupError, UnknownCodecKey
from tidings.settings import CodecSettings

KEY_BYTES = 32
"""AES-256."""

_KEYS = "TIDINGS_CODEC_KEYS"
_KEYS_FILE = "TIDINGS_CODEC_KEYS_FILE"
_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")
_MOST_FILE_BYTES = 100_000
_LACKING = (
    f"No key to seal what Temporal keeps with: make one with `tidings codec new-key` and set {_KEYS} to it,"
    " the same for the API, the workers and the command line (or TIDINGS_CODEC=off, to keep all in clear)."
)


@dataclass(frozen=True, slots=True)
class Key:
    """A master key. Each workflow's own is derived from it."""

    id: str
    secret: bytes = field(repr=False)

    def __str__(self) -> str:
        """As the settings take it: with the secret."""
        return f"{self.id}:{base64.b64encode(self.secret).decode()}"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of one process. The first seals, all open; without `seals` none seals."""

    keys: tuple[Key, ...]
    seals: bool = True

    @classmethod
    def parse(cls, text: str, *, setting: str = _KEYS, seals: bool = True) -> Self:
        """Read `id:base64`, separated by commas, spaces or line ends.

        Raises SetupError, which names `setting` and the key's place, and shows nothing of it.
        """
        parts = [part for part in re.split(r"[,\s]+", text) if part]
        if not parts:
            raise SetupError(f"{setting} has no key in it: `tidings codec new-key` makes one.")
        keys = tuple(_key(part, f"{setting}: key {place}") for place, part in enumerate(parts, start=1))
        ids = [key.id for key in keys]
        doubled = sorted({id for id in ids if ids.count(id) > 1})
        if doubled:
            raise SetupError(f"{setting}: several keys have the id {doubled[0]}: give each its own.")
        return cls(keys, seals)

    @property
    def sealing(self) -> Key:
        """The key that seals."""
        return self.keys[0]

    def find(self, id: str) -> Key:
        """The key of this id. Raises UnknownCodecKey."""
        for key in self.keys:
            if key.id == id:
                return key
        raise UnknownCodecKey(id)


NO_KEYS = Keyring((), seals=False)
"""`TIDINGS_CODEC=off`, and none for what was sealed before, which is refused as by whoever lacks a key."""


def keyring(settings: CodecSettings) -> Keyring:
    """The keys that the settings name.

    Raises SetupError if there is no key and it is not `off`, or if a key cannot be read.
    """
    seals = settings.codec == "on"
    if settings.codec_keys is not None and settings.codec_keys_file is not None:
        raise SetupError(f"{_KEYS} and {_KEYS_FILE} are both set: take one of them away.")
    if settings.codec_keys is not None:
        return Keyring.parse(settings.codec_keys.get_secret_value(), seals=seals)
    if settings.codec_keys_file is not None:
        return Keyring.parse(_read(settings.codec_keys_file), setting=_KEYS_FILE, seals=seals)
    if seals:
        raise SetupError(_LACKING)
    return NO_KEYS


def new_key(id: str | None = None, *, now: datetime) -> Key:
    """A random key, by default named for the day: `k261121`. Raises SetupError for a bad id."""
    # One digit more, and the log would mask it as a number to call.
    id = f"k{now:%y%m%d}" if id is None else id
    if not _ID.fullmatch(id):
        raise SetupError("A key's id is 1 to 32 letters, digits, dots, dashes and underscores.")
    return Key(id, secrets.token_bytes(KEY_BYTES))


def written(keys: Sequence[Key]) -> str:
    """The keys as `TIDINGS_CODEC_KEYS` takes them."""
    return ",".join(str(key) for key in keys)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_FILE_BYTES + 1)
    except OSError as error:
        raise SetupError(f"{_KEYS_FILE}: {file} cannot be read: {error.strerror}.") from None
    try:
        if len(content) > _MOST_FILE_BYTES:
            raise ValueError
        return content.decode("utf-8-sig")
    except ValueError:
        raise SetupError(f"{_KEYS_FILE}: {file} is not a file of keys, a line each.") from None


def _key(text: str, place: str) -> Key:
    id, separator, encoded = text.partition(":")
    if not separator:
        raise SetupError(f"{place} is not of the form id:base64, as `tidings codec new-key` prints one.")
    if not _ID.fullmatch(id):
        raise SetupError(
            f"{place} has an id that is not 1 to 32 letters, digits, dots, dashes or underscores."
        )
    try:
        secret = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        # From None: the cause may quote what it could not read.
        raise SetupError(f"{place} ({id}) is not base64 after its colon.") from None
    if len(secret) != KEY_BYTES:
        raise SetupError(f"{place} ({id}) has {len(secret)} bytes, not {KEY_BYTES}.")
    return Key(id, secret)
