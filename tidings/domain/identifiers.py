"""Ids of our own."""

from datetime import datetime
from random import Random
from uuid import UUID

import uuid_utils


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): ordered by time, so that inserts stay local and lists need no other key."""
    return UUID(int=uuid_utils.uuid7().int)


def id_at(moment: datetime, random: Random) -> UUID:
    """A UUIDv7 of that moment with random bits from `random`: for workflows, which must replay alike."""
    milliseconds = int(moment.timestamp() * 1000)
    version, variant = 7, 0b10
    bits = milliseconds << 80 | version << 76 | random.getrandbits(12) << 64
    return UUID(int=bits | variant << 62 | random.getrandbits(62))
