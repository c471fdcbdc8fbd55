"""`expires_at` passes, at every stage."""

from datetime import datetime

from temporalio.api.enums.v1 import EventType

from tests.replay.stage import BUSY, REFUSED, SLOW, Scenario, Stage, is_scheduled, soon
from tests.support import eventually
from tests.workflows.delivery import Handle
from tidings.domain.vocabulary import Status
from tidings.messages.delivery import SignalNote
from tidings.temporal import names

SHORTLY = 4.0
"""Seconds until it expires: enough for a first attempt on a busy machine."""


async def expired_in_backoff(stage: Stage) -> Handle:
    """The next attempt would come too late."""
    async with stage.workers([BUSY], retry=SLOW, retry_window=1):
        await stage.start(expires_at=soon(SHORTLY))
        await stage.ends(Status.EXPIRED)
    assert len(stage.provider.calls) == 1
    return stage.handle


async def expired_in_the_queue(stage: Stage) -> Handle:
    """No worker takes the attempt: it is taken back from the queue."""
    async with stage.records(retry_window=1):
        await stage.start(expires_at=soon(2))
        await stage.ends(Status.EXPIRED)
    return stage.handle


async def expired_before_the_first_worker(stage: Stage) -> Handle:
    """It has expired before the workflow gets anywhere."""
    expires_at = soon(0.2)
    await stage.start(expires_at=expires_at)
    await _passes(expires_at)
    async with stage.workers(retry_window=1):
        await stage.ends(Status.EXPIRED)
    assert stage.provider.calls == []
    return stage.handle


async def expired_as_the_attempt_begins(stage: Stage) -> Handle:
    """The worker of sends sees it first, while no worker runs the workflow."""
    expires_at = soon(3)
    async with stage.records(retry_window=1):
        await stage.start(expires_at=expires_at)
        await stage.happens(is_scheduled("send"))
    await _passes(expires_at)
    async with stage.sends():
        await stage.happens(lambda event: event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
    async with stage.records():
        await stage.ends(Status.EXPIRED)
    assert stage.provider.calls == []
    return stage.handle


async def expired_then_retried_with_a_new_expiry(stage: Stage) -> Handle:
    """A `retry` brings a new `expires_at`."""
    async with stage.workers([BUSY, None], retry=SLOW):
        await stage.start(expires_at=soon(SHORTLY))
        await stage.reaches(Status.EXPIRED)
        await stage.handle.signal(names.SIGNAL_RETRY, SignalNote(expires_at=soon(86_400)))
        await stage.ends(Status.SENT)
    return stage.handle


async def retry_while_it_waits_to_expire(stage: Stage) -> Handle:
    """No automatic attempt fits before it expires; one by hand does."""
    async with stage.workers([BUSY, None], retry=SLOW):
        await stage.start(expires_at=soon(600))
        await stage.reaches(Status.RETRYING)
        await stage.handle.signal(names.SIGNAL_RETRY)
        await stage.ends(Status.SENT)
    return stage.handle


async def failed_then_retried_after_its_expiry(stage: Stage) -> Handle:
    """A `retry` without a new `expires_at` takes the old one away."""
    expires_at = soon(SHORTLY)
    async with stage.workers([REFUSED, None]):
        await stage.start(expires_at=expires_at)
        await stage.reaches(Status.FAILED)
        await _passes(expires_at)
        await stage.handle.signal(names.SIGNAL_RETRY)
        await stage.ends(Status.SENT)
    return stage.handle


async def _passes(time: datetime) -> None:
    await eventually(lambda: soon(0) > time)


SCENARIOS = [
    Scenario(expired_in_backoff),
    Scenario(expired_in_the_queue),
    Scenario(expired_before_the_first_worker),
    Scenario(expired_as_the_attempt_begins),
    Scenario(expired_then_retried_with_a_new_expiry),
    Scenario(retry_while_it_waits_to_expire),
    Scenario(failed_then_retried_after_its_expiry),
]
