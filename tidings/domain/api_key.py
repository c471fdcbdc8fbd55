"""API keys: `td_live_…` and `td_test_…`. The secret is shown once and only its hash is kept."""

import hashlib
import re
import secrets
import string
import zlib
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, field_validator

from tidings.domain.vocabulary import KeyMode, Scope

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_LENGTH = 43
"""43 characters of 62 hold 256 bits: a plain hash suffices, no slow one is needed."""
_CHECKSUM_LENGTH = 6
"""62 to the sixth is more than a CRC-32 can be."""
_FORM = re.compile(
    f"td_(?:live|test)_[0-9A-Za-z]{{{_SECRET_LENGTH}}}(?P<checksum>[0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})?",
    re.ASCII,
)
SHOWN_LENGTH = 12
"""How much of a key is kept in clear, to tell keys apart: `td_live_` and four characters."""
DEFAULT_SCOPES = (Scope.SEND, Scope.READ)
"""What a new key may do unless something else is said."""


class ApiKey(BaseModel):
    """A key as it is stored: all but its secret."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    tenant: str
    mode: KeyMode
    """Fixed for life, and part of the secret, so that whoever reads a key knows."""
    name: str
    shown: str
    """The first characters of the key, to recognise it by."""
    scopes: tuple[Scope, ...] = DEFAULT_SCOPES
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    """To the minute or so: it is written now and then, not with each call."""
    revoked_at: datetime | None = None

    @field_validator("scopes", mode="after")
    @classmethod
    def _in_order(cls, scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
        return in_order(scopes)

    def is_valid(self, now: datetime) -> bool:
        """Whether it may be used: neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def in_order(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """Each scope once, in the order of the vocabulary."""
    given = set(scopes)
    return tuple(scope for scope in Scope if scope in given)


def new_secret(mode: KeyMode = KeyMode.LIVE) -> str:
    """A fresh key. Its last six characters are a checksum over the others."""
    body = f"td_{mode}_" + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    return body + _checksum(body)


def mode_of(secret: str) -> KeyMode:
    """The mode that a key says of itself."""
    return KeyMode.TEST if secret.startswith("td_test_") else KeyMode.LIVE


def claims_to_be_key(token: str) -> bool:
    """Whether a bearer token is meant as an API key, well formed or not."""
    return token.startswith("td_")


def is_well_formed(token: str) -> bool:
    """Whether a bearer token can be an API key at all; what cannot is refused without a look-up.

    Keys of earlier versions have no checksum, and stay valid.
    """
    form = _FORM.fullmatch(token)
    if form is None:
        return False
    checksum = form["checksum"]
    return checksum is None or checksum == _checksum(token[:-_CHECKSUM_LENGTH])


def hash_of(secret: str) -> bytes:
    """What is stored and looked up instead of the key: its SHA-256."""
    return hashlib.sha256(secret.encode()).digest()


def _checksum(body: str) -> str:
    """The CRC-32 (ISO 3309) of the key so far, in base 62: it finds slips of the hand, nothing else."""
    number = zlib.crc32(body.encode())
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
