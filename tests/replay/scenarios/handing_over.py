"""A history that has grown long is handed over to a new run (continue-as-new), at every stage."""

import asyncio

from tests.replay.stage import BUSY, REFUSED, SLOW, Scenario, Stage, is_cancel_requested, is_handed_over, soon
from tests.workflows.delivery import Handle
from tidings.domain.vocabulary import Status
from tidings.temporal import names


async def handed_over_while_parked(stage: Stage) -> Handle:
    """`failed`, and one signal after another that changes nothing."""
    await _parked(stage)
    return await stage.run(1)


async def taken_over_while_parked(stage: Stage) -> Handle:
    """The run after that one: it is parked until a `retry`."""
    await _parked(stage)
    return await stage.run(2)


async def handed_over_while_scheduled(stage: Stage) -> Handle:
    """Before `send_at`."""
    await _scheduled(stage)
    return await stage.run(1)


async def taken_over_while_scheduled(stage: Stage) -> Handle:
    """The run after that one: it waits for `send_at`."""
    await _scheduled(stage)
    return await stage.run(2)


async def handed_over_in_backoff(stage: Stage) -> Handle:
    """A `retry` comes when the history is long enough: the next attempt is taken back from the queue."""
    await _in_backoff(stage)
    return await stage.run(1)


async def taken_over_in_backoff(stage: Stage) -> Handle:
    """The run after that one: it makes the attempt that was asked for."""
    await _in_backoff(stage)
    return await stage.run(2)


async def handed_over_while_it_waits_to_expire(stage: Stage) -> Handle:
    """No attempt fits before it expires."""
    await _waiting_to_expire(stage)
    return await stage.run(1)


async def taken_over_while_it_waits_to_expire(stage: Stage) -> Handle:
    """The run after that one."""
    await _waiting_to_expire(stage)
    return await stage.run(2)


async def handed_over_during_an_attempt(stage: Stage) -> Handle:
    """The attempt is waited for first."""
    await _during_an_attempt(stage)
    return await stage.run(1)


async def taken_over_after_an_attempt(stage: Stage) -> Handle:
    """The run after that one makes the next attempt."""
    await _during_an_attempt(stage)
    return await stage.run(2)


async def _parked(stage: Stage) -> None:
    async with stage.workers([REFUSED, None]):
        await stage.start()
        await stage.reaches(Status.FAILED)
        await stage.signal_until(names.SIGNAL_CANCEL, is_handed_over)
        await stage.handle.signal(names.SIGNAL_RETRY)
        await stage.ends(Status.SENT)


async def _scheduled(stage: Stage) -> None:
    async with stage.workers():
        await stage.start(send_at=soon(86_400))
        await stage.reaches(Status.SCHEDULED)
        await stage.signal_until(names.SIGNAL_RETRY, is_handed_over)
        await stage.handle.signal(names.SIGNAL_CANCEL)
        await stage.ends(Status.CANCELLED)


async def _in_backoff(stage: Stage) -> None:
    async with stage.workers([BUSY], retry=SLOW):
        await stage.start(expires_at=soon(86_400))
        await stage.reaches(Status.RETRYING)
        await stage.signal_until(names.SIGNAL_RETRY, is_handed_over)
        await stage.reaches(Status.RETRYING)
        await stage.handle.signal(names.SIGNAL_CANCEL)
        await stage.ends(Status.CANCELLED)


async def _waiting_to_expire(stage: Stage) -> None:
    async with stage.workers([BUSY], retry=SLOW):
        await stage.start(expires_at=soon(600))
        await stage.reaches(Status.RETRYING)
        await stage.signal_until(names.SIGNAL_RETRY, is_handed_over)
        await stage.reaches(Status.RETRYING)
        await stage.handle.signal(names.SIGNAL_CANCEL)
        await stage.ends(Status.CANCELLED)


async def _during_an_attempt(stage: Stage) -> None:
    async with stage.workers([BUSY, None]) as provider:
        provider.gate = asyncio.Event()
        await stage.start()
        await provider.called.wait()
        await stage.signal_until(names.SIGNAL_RETRY, is_cancel_requested)
        provider.gate.set()
        await stage.ends(Status.SENT)


SCENARIOS = [
    Scenario(play, hands_over=True)
    for play in (
        handed_over_while_parked,
        taken_over_while_parked,
        handed_over_while_scheduled,
        taken_over_while_scheduled,
        handed_over_in_backoff,
        taken_over_in_backoff,
        handed_over_while_it_waits_to_expire,
        taken_over_while_it_waits_to_expire,
        handed_over_during_an_attempt,
        taken_over_after_an_attempt,
    )
]
