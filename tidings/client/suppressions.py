"""`client.suppressions`."""

from collections.abc import AsyncIterator
from uuid import UUID

from tidings.client.fields import query_of
from tidings.client.models import Suppression
from tidings.client.resources import delete, path_of, walk
from tidings.client.transport import Transport
from tidings.domain.vocabulary import Channel


class Suppressions:
    """Who gets nothing more. Every call raises as those of `Tidings` do."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self, *, channel: Channel | str | None = None, recipient: str | None = None
    ) -> AsyncIterator[Suppression]:
        """Suppressed recipients, newest first."""
        query = query_of({"channel": channel, "recipient": recipient})
        return walk(self._transport, path_of("suppressions"), Suppression, query)

    async def remove(self, id: str | UUID) -> None:
        """Take a recipient off the list: what is sent to it from now on is tried again."""
        await delete(self._transport, path_of("suppressions", id))
