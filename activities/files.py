"""The files of messages under way: in memory for as long as the attempt lasts, and never too many of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.ports import AttachmentStore
from tidings.temporal.failures import FailureType

Contents = Mapping[str, bytes]
"""What attachments hold, by its SHA-256."""

NO_FILES: Contents = {}

_PAUSE = timedelta(seconds=1)
"""Until Temporal hands a message out again whose files found no room."""


class Files:
    """Loads contents from the store. Without one, a message that has files fails for good."""

    def __init__(self, store: AttachmentStore | None = None, *, most_bytes: int = 100_000_000) -> None:
        """`most_bytes`: of all files in memory at once; a single message may have more."""
        self._store = store
        self._most_bytes = most_bytes
        self._bytes = 0

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Room for so many bytes, for the block. Raises ApplicationError (`NoRoom`)."""
        if size and self._bytes and self._bytes + size > self._most_bytes:
            # Not here: waiting in this process would keep those without files from their turn.
            raise ApplicationError(
                "other attachments fill the memory",
                type=FailureType.NO_ROOM,
                next_retry_delay=_PAUSE,
                category=ApplicationErrorCategory.BENIGN,
            )
        self._bytes += size
        try:
            yield
        finally:
            self._bytes -= size

    async def load(self, notification_id: UUID) -> Contents:
        """The notification's contents. Raises StorageUnavailable."""
        return NO_FILES if self._store is None else await self._store.load(notification_id)
