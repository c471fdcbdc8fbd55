"""The database or a worker is away."""

import asyncio

from tests.replay.stage import Scenario, Stage, is_scheduled
from tests.workflows.delivery import Handle
from tidings.domain.vocabulary import Status
from tidings.temporal import names


async def outage_in_persist(stage: Stage) -> Handle:
    """The database is away at the start: `persist` goes on as a regular activity."""
    async with stage.workers():
        stage.log.available = False
        await stage.start()
        await stage.happens(is_scheduled("persist"))
        stage.log.available = True
        await stage.ends(Status.SENT)
    return stage.handle


async def outage_in_record(stage: Stage) -> Handle:
    """The database goes while the provider answers: `record` goes on as a regular activity."""
    async with stage.workers() as provider:
        provider.gate = asyncio.Event()
        await stage.start()
        await provider.called.wait()
        stage.log.available = False
        provider.gate.set()
        await stage.happens(is_scheduled("record"))
        stage.log.available = True
        await stage.ends(Status.SENT)
    return stage.handle


async def outage_in_withdraw(stage: Stage) -> Handle:
    """The database is away when an attempt is taken back from the queue."""
    async with stage.records():
        await stage.start()
        await stage.happens(is_scheduled("send"))
        stage.log.available = False
        await stage.handle.signal(names.SIGNAL_CANCEL)
        await stage.happens(is_scheduled("withdraw"))
        stage.log.available = True
        await stage.ends(Status.CANCELLED)
    return stage.handle


async def worker_lost_during_an_attempt(stage: Stage) -> Handle:
    """The next worker finds the attempt begun and reports it as `unknown`; it is sent again."""
    async with stage.records():
        async with stage.sends() as provider:
            provider.gate = asyncio.Event()
            await stage.start()
            await provider.called.wait()
        async with stage.sends():
            await stage.ends(Status.SENT)
    return stage.handle


async def terminated_during_an_attempt_then_revived(stage: Stage) -> Handle:
    """A run ended from outside amid an attempt; a `retry` starts a new one, which asks what became of it."""
    async with stage.records():
        async with stage.sends() as provider:
            provider.gate = asyncio.Event()
            await stage.start()
            await provider.called.wait()
            await stage.handle.terminate()
        await stage.revive()
        async with stage.sends():
            await stage.ends(Status.SENT)
    return stage.handle


SCENARIOS = [
    Scenario(outage_in_persist),
    Scenario(outage_in_record),
    Scenario(outage_in_withdraw),
    Scenario(worker_lost_during_an_attempt),
    Scenario(terminated_during_an_attempt_then_revived),
]
