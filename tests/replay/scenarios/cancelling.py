"""`cancel`, and Temporal's own cancellation, at every stage."""

import asyncio

from tests.replay.stage import (
    BUSY,
    LOST,
    REFUSED,
    SLOW,
    Scenario,
    Stage,
    is_cancel_requested,
    is_scheduled,
    soon,
)
from tests.workflows.delivery import Handle
from tidings.domain.vocabulary import Status
from tidings.errors import SendFailure
from tidings.messages.delivery import SignalNote
from tidings.temporal import names


async def cancel_before_the_first_worker(stage: Stage) -> Handle:
    """No worker has seen it yet."""
    await stage.start()
    await stage.handle.signal(names.SIGNAL_CANCEL)
    async with stage.workers():
        await stage.ends(Status.CANCELLED)
    return stage.handle


async def cancelled_by_temporal_before_the_first_worker(stage: Stage) -> Handle:
    """`temporal workflow cancel`, and no worker has seen it yet: it gets into the database all the same."""
    await stage.start()
    await stage.handle.cancel()
    async with stage.workers():
        await stage.ends(Status.CANCELLED)
    assert stage.log.state(stage.notification.id).status is Status.CANCELLED
    return stage.handle


async def cancel_while_scheduled(stage: Stage) -> Handle:
    """Before `send_at`."""
    async with stage.workers():
        await stage.start(send_at=soon(86_400))
        await stage.reaches(Status.SCHEDULED)
        await stage.handle.signal(names.SIGNAL_CANCEL)
        await stage.ends(Status.CANCELLED)
    return stage.handle


async def cancel_in_the_queue(stage: Stage) -> Handle:
    """No worker takes the attempt: it is taken back from the queue."""
    async with stage.records():
        await stage.start()
        await stage.happens(is_scheduled("send"))
        await stage.handle.signal(names.SIGNAL_CANCEL, SignalNote(reason="ordered twice"))
        await stage.ends(Status.CANCELLED)
    return stage.handle


async def cancel_in_backoff(stage: Stage) -> Handle:
    """Between two attempts."""
    async with stage.workers([BUSY], retry=SLOW):
        await stage.start()
        await stage.reaches(Status.RETRYING)
        await stage.handle.signal(names.SIGNAL_CANCEL)
        await stage.ends(Status.CANCELLED)
    return stage.handle


async def cancel_in_backoff_after_an_unknown(stage: Stage) -> Handle:
    """It may have gone out already: it ends as `unknown`, not as `cancelled`."""
    async with stage.workers([LOST], retry=SLOW, retry_window=1):
        await stage.start()
        await stage.reaches(Status.RETRYING)
        await stage.handle.signal(names.SIGNAL_CANCEL)
        await stage.ends(Status.UNKNOWN)
    return stage.handle


async def cancel_during_an_accepted_attempt(stage: Stage) -> Handle:
    """Too late: it ends as `sent`."""
    return await _cancel_during_an_attempt(stage, None, Status.SENT)


async def cancel_during_a_refused_attempt(stage: Stage) -> Handle:
    """It ends as `cancelled`."""
    return await _cancel_during_an_attempt(stage, REFUSED, Status.CANCELLED)


async def cancel_during_a_failing_attempt(stage: Stage) -> Handle:
    """It ends as `cancelled`, without a next attempt."""
    return await _cancel_during_an_attempt(stage, BUSY, Status.CANCELLED)


async def cancel_during_an_attempt_that_nobody_hears_of(stage: Stage) -> Handle:
    """The worker ends in the middle of the attempt, and no other one is there: nobody can know."""
    async with stage.records(retry_window=1):
        async with stage.sends() as provider:
            provider.gate = asyncio.Event()
            await stage.start()
            await provider.called.wait()
        await stage.handle.signal(names.SIGNAL_CANCEL)
        await stage.ends(Status.UNKNOWN)
    return stage.handle


async def cancel_while_parked_then_retry(stage: Stage) -> Handle:
    """There is nothing to stop, and a later `retry` is not stopped by it."""
    async with stage.workers([REFUSED, None]):
        await stage.start()
        await stage.reaches(Status.FAILED)
        await stage.handle.signal(names.SIGNAL_CANCEL)
        await stage.handle.signal(names.SIGNAL_RETRY)
        await stage.ends(Status.SENT)
    return stage.handle


async def cancelled_by_temporal_while_scheduled(stage: Stage) -> Handle:
    """`temporal workflow cancel` is taken as the signal, before `send_at`."""
    async with stage.workers():
        await stage.start(send_at=soon(86_400))
        await stage.reaches(Status.SCHEDULED)
        await stage.handle.cancel()
        await stage.ends(Status.CANCELLED)
    return stage.handle


async def cancelled_by_temporal_in_backoff(stage: Stage) -> Handle:
    """`temporal workflow cancel` is taken as the signal, between two attempts."""
    async with stage.workers([BUSY], retry=SLOW):
        await stage.start()
        await stage.reaches(Status.RETRYING)
        await stage.handle.cancel()
        await stage.ends(Status.CANCELLED)
    return stage.handle


async def _cancel_during_an_attempt(stage: Stage, answer: SendFailure | None, end: Status) -> Handle:
    async with stage.workers([answer]) as provider:
        provider.gate = asyncio.Event()
        await stage.start()
        await provider.called.wait()
        await stage.handle.signal(names.SIGNAL_CANCEL)
        await stage.happens(is_cancel_requested)
        provider.gate.set()
        await stage.ends(end)
    return stage.handle


SCENARIOS = [
    Scenario(cancel_before_the_first_worker),
    Scenario(cancelled_by_temporal_before_the_first_worker),
    Scenario(cancel_while_scheduled),
    Scenario(cancel_in_the_queue),
    Scenario(cancel_in_backoff),
    Scenario(cancel_in_backoff_after_an_unknown),
    Scenario(cancel_during_an_accepted_attempt),
    Scenario(cancel_during_a_refused_attempt),
    Scenario(cancel_during_a_failing_attempt),
    Scenario(cancel_during_an_attempt_that_nobody_hears_of),
    Scenario(cancel_while_parked_then_retry),
    Scenario(cancelled_by_temporal_while_scheduled),
    Scenario(cancelled_by_temporal_in_backoff),
]
