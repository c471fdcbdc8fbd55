"""Ids of our own."""

from uuid import UUID

import uuid_utils


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): ordered by time, so that inserts go to the right edge of the index."""
    return UUID(int=uuid_utils.uuid7().int)
