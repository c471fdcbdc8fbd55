"""Ids of our own."""

import hashlib
from datetime import datetime
from random import Random
from uuid import UUID

import uuid_utils

from tidings.domain.vocabulary import KeyMode

_VERSION_8 = 0x8 << 76
_VERSION_BITS = 0xF << 76
_RFC_9562 = 0b10 << 62
_VARIANT_BITS = 0b11 << 62
_TEST = b"\xff\xff\xff\xff"
"""The length of no tenant: what begins with it is the input of no live id."""


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): ordered by time, so that inserts go to the right edge of the index."""
    return UUID(int=uuid_utils.uuid7().int)


def id_at(moment: datetime, random: Random) -> UUID:
    """A UUIDv7 of that moment with random bits from `random`: for workflows, which must replay alike."""
    milliseconds = int(moment.timestamp() * 1000)
    version, variant = 7, 0b10
    bits = milliseconds << 80 | version << 76 | random.getrandbits(12) << 64
    return UUID(int=bits | variant << 62 | random.getrandbits(62))


def id_from_key(tenant: str, key: str, mode: KeyMode = KeyMode.LIVE) -> UUID:
    """The id of the one notification of this mode that a tenant may submit under an idempotency key.

    A UUIDv8 (RFC 9562, section 5.8): the first 122 bits of a SHA-256. The tenant's length goes first, so no
    other tenant and key give the same input: neither ("ab", "c") and ("a", "bc") nor any other two. What is
    tried out under a key takes no live notification's place: test mode has ids of its own.
    """
    owner = tenant.encode()
    apart = _TEST if mode is KeyMode.TEST else b""
    digest = hashlib.sha256(apart + len(owner).to_bytes(4) + owner + key.encode()).digest()
    bits = int.from_bytes(digest[:16]) & ~_VERSION_BITS & ~_VARIANT_BITS
    return UUID(int=bits | _VERSION_8 | _RFC_9562)
