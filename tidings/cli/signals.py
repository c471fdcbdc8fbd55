"""One signal to one notification, straight to Temporal, and what is to be said of it."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from tidings.cli.context import database_settings, use_running_temporal
from tidings.domain.vocabulary import Status
from tidings.errors import OrchestratorUnavailable, TidingsError
from tidings.messages.delivery import SignalNote

if TYPE_CHECKING:
    from temporalio.client import Client

    from tidings.domain.notification import DeliveryState
    from tidings.domain.record import NotificationRecord
    from tidings.temporal.notifications import NotificationWorkflows

_CONNECT_SECONDS = 10.0

CANCELLABLE = (Status.PENDING, Status.SCHEDULED, Status.RETRYING)
RETRYABLE = (Status.FAILED, Status.UNKNOWN, Status.EXPIRED, Status.RETRYING)
"""What `cancel` and `retry` can do something with, and the index shows: never `sending`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one notification. `status` is None where it is not known, or there is none."""

    id: str
    done: bool
    status: str | None
    detail: str

    @property
    def is_missing(self) -> bool:
        """Whether there is no such notification."""
        return not self.done and self.status is None


async def connected(identity: str = "tidings-cli", *, payloads: bool = True) -> "Client":
    """A client of Temporal; without `payloads` it reads and writes none, and needs no key.

    Raises SetupError, OrchestratorUnavailable.
    """
    # Not at the top: importing the SDK takes longer than most commands run.
    from tidings.temporal.client import address, connect
    from tidings.temporal.encryption.keys import NO_KEYS
    from tidings.temporal.quiet import quiet

    use_running_temporal()
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            return await connect(identity=identity, runtime=quiet(), keys=None if payloads else NO_KEYS)
    except TimeoutError:
        raise OrchestratorUnavailable(
            f"Temporal at {address()} does not answer within {_CONNECT_SECONDS:g} s: see TEMPORAL_ADDRESS."
        ) from None


async def signal_cancel(workflows: "NotificationWorkflows", id: UUID, note: SignalNote) -> Answer:
    """Signal `cancel`; what becomes of it is for the workflow to say."""
    if await workflows.cancel(id, note):
        return Answer(str(id), True, None, "signalled")
    record = await _found(workflows, id)
    if record is None:
        return _missing(id)
    status = record.state.status
    if not status.is_final:
        ended = (
            f"{status}, but its workflow was ended from outside: nothing more is sent unless it is retried"
        )
        return Answer(str(id), False, status, ended)
    return Answer(str(id), False, status, f"too late: it is {status}")


async def signal_retry(workflows: "NotificationWorkflows", id: UUID, note: SignalNote) -> tuple[Answer, int]:
    """Signal `retry`, and how many attempts there were before it."""
    record = await _found(workflows, id)
    if record is None:
        return _missing(id), 0
    is_news = False
    if record.state.status not in RETRYABLE:
        # A worker that has just ended may have recorded what its workflow has not yet heard of.
        heard_of, record = record, record.overlaid(await _stored_state(id))
        is_news = record is not heard_of
    status, count = record.state.status, record.state.attempt_count
    if status not in RETRYABLE:
        return Answer(str(id), False, status, f"not retried: it is {status}"), count
    await workflows.retry(record, note, is_news=is_news)
    return Answer(str(id), True, status, "signalled"), count


def _missing(id: UUID) -> Answer:
    return Answer(str(id), False, None, "not found: neither Temporal nor the database has it")


async def _found(workflows: "NotificationWorkflows", id: UUID) -> "NotificationRecord | None":
    return await workflows.find(None, id) or await _stored(id)


async def _stored_state(id: UUID) -> "DeliveryState | None":
    """The database's word, where it can be asked: a signal needs no database."""
    from sqlalchemy.exc import SQLAlchemyError

    with suppress(TidingsError, SQLAlchemyError):
        if record := await _stored(id):
            return record.state
    return None


async def _stored(id: UUID) -> "NotificationRecord | None":
    """The notification from the database: Temporal forgets closed workflows after a while."""
    from tidings.database.engine import create_engine
    from tidings.database.notifications import NotificationRepository

    engine = create_engine(database_settings(), application_name="tidings-cli")
    try:
        return await NotificationRepository(engine).get(None, id)
    finally:
        await engine.dispose()
