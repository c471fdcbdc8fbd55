"""API keys: `td_live_…` and `td_test_…`. The secret is shown once and only its hash is kept."""

import hashlib
import secrets
import string
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from tidings.domain.vocabulary import KeyMode

_ALPHABET = string.ascii_letters + string.digits
_SECRET_LENGTH = 43
"""43 characters of 62 hold 256 bits: a plain hash suffices, no slow one is needed."""
SHOWN_LENGTH = 12
"""How much of a key is kept in clear, to tell keys apart: `td_live_` and four characters."""


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
    created_at: datetime
    revoked_at: datetime | None = None


def new_secret(mode: KeyMode = KeyMode.LIVE) -> str:
    """A fresh key."""
    return f"td_{mode}_" + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))


def mode_of(secret: str) -> KeyMode:
    """The mode that a key says of itself."""
    return KeyMode.TEST if secret.startswith("td_test_") else KeyMode.LIVE


def looks_like_key(token: str) -> bool:
    """Whether a bearer token can be an API key at all; what cannot is refused without a look-up."""
    return token.startswith(("td_live_", "td_test_")) and token.isascii() and 20 <= len(token) <= 200


def hash_of(secret: str) -> bytes:
    """What is stored and looked up instead of the key: its SHA-256."""
    return hashlib.sha256(secret.encode()).digest()
