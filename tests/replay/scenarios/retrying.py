"""`retry` by hand, at every stage."""

import asyncio

from temporalio.api.enums.v1 import EventType

from tests.replay.stage import BUSY, LOST, REFUSED, SLOW, Scenario, Stage, soon
from tests.workflows.delivery import Handle
from tidings.domain.vocabulary import Guarantee, Status
from tidings.messages.delivery import SignalNote
from tidings.temporal import names


async def retry_while_scheduled(stage: Stage) -> Handle:
    """There is nothing to retry yet: it changes nothing."""
    async with stage.workers():
        await stage.start(send_at=soon(2))
        await stage.reaches(Status.SCHEDULED)
        await stage.handle.signal(names.SIGNAL_RETRY)
        await stage.ends(Status.SENT)
    return stage.handle


async def retry_cuts_a_backoff(stage: Stage) -> Handle:
    """The next attempt is taken back and made at once."""
    async with stage.workers([BUSY, None], retry=SLOW):
        await stage.start()
        await stage.reaches(Status.RETRYING)
        await stage.handle.signal(names.SIGNAL_RETRY, SignalNote(reason="the mailbox is there again"))
        await stage.ends(Status.SENT)
    return stage.handle


async def retry_in_backoff_moves_the_expiry(stage: Stage) -> Handle:
    """A `retry` with another `expires_at`: the timer of the old one goes."""
    async with stage.workers([BUSY, BUSY, None], retry=SLOW):
        await stage.start(expires_at=soon(86_400))
        await stage.reaches(Status.RETRYING)
        await stage.handle.signal(names.SIGNAL_RETRY, SignalNote(expires_at=soon(43_200)))
        await stage.happens(lambda event: event.event_type == EventType.EVENT_TYPE_TIMER_STARTED, 2)
        await stage.reaches(Status.RETRYING)
        await stage.handle.signal(names.SIGNAL_RETRY)
        await stage.ends(Status.SENT)
    return stage.handle


async def retry_during_an_attempt(stage: Stage) -> Handle:
    """It asks for no more than is under way."""
    async with stage.workers() as provider:
        provider.gate = asyncio.Event()
        await stage.start()
        await provider.called.wait()
        await stage.handle.signal(names.SIGNAL_RETRY)
        provider.gate.set()
        await stage.ends(Status.SENT)
    return stage.handle


async def refused_then_retried_by_hand(stage: Stage) -> Handle:
    """A permanent failure; a person mends the cause and retries."""
    async with stage.workers([REFUSED, None]):
        await stage.start()
        await stage.reaches(Status.FAILED)
        await stage.handle.signal(names.SIGNAL_RETRY, SignalNote(reason="the mailbox exists now"))
        await stage.ends(Status.SENT)
    return stage.handle


async def unknown_parked_then_retried(stage: Stage) -> Handle:
    """`at_most_once`: a person decides that it is sent again."""
    async with stage.workers([LOST, None]):
        await stage.start(guarantee=Guarantee.AT_MOST_ONCE)
        await stage.reaches(Status.UNKNOWN)
        await stage.handle.signal(names.SIGNAL_RETRY)
        await stage.ends(Status.SENT)
    return stage.handle


async def revived_after_the_window(stage: Stage) -> Handle:
    """A `retry` after the end of the workflow starts a new run, from what the database knows."""
    async with stage.workers([REFUSED, None], retry_window=1):
        await stage.start()
        await stage.ends(Status.FAILED)
        await stage.revive()
        await stage.ends(Status.SENT)
    return stage.handle


async def overtaken_by_a_receipt(stage: Stage) -> Handle:
    """While it is parked a receipt says that it has arrived: the attempt by hand is not permitted."""
    async with stage.workers([LOST, None]):
        await stage.start(guarantee=Guarantee.AT_MOST_ONCE)
        await stage.reaches(Status.UNKNOWN)
        state = stage.log.state(stage.notification.id)
        arrived = state.moved(Status.DELIVERED, soon(0), error=None, delivered_at=soon(0))
        await stage.log.record(stage.notification.id, arrived, None)
        await stage.handle.signal(names.SIGNAL_RETRY)
        await stage.ends(Status.DELIVERED)
    assert len(stage.provider.calls) == 1
    return stage.handle


async def signals_nobody_understands(stage: Stage) -> Handle:
    """They are only noted, but for a cancel."""
    async with stage.workers([BUSY], retry=SLOW):
        await stage.start()
        await stage.reaches(Status.RETRYING)
        await stage.handle.signal("canel")
        await stage.handle.signal(names.SIGNAL_RETRY, {"expires_at": "tomorrow"})
        await stage.handle.signal(names.SIGNAL_RETRY, {"expires_at": "2020-01-01T00:00:00Z"})
        await stage.handle.signal(names.SIGNAL_CANCEL, ["ordered", 2])
        await stage.ends(Status.CANCELLED)
    return stage.handle


SCENARIOS = [
    Scenario(retry_while_scheduled),
    Scenario(retry_cuts_a_backoff),
    Scenario(retry_in_backoff_moves_the_expiry),
    Scenario(retry_during_an_attempt),
    Scenario(refused_then_retried_by_hand),
    Scenario(unknown_parked_then_retried),
    Scenario(revived_after_the_window),
    Scenario(overtaken_by_a_receipt),
    Scenario(signals_nobody_understands),
]
