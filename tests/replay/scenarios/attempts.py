"""What attempts come to by themselves."""

from tests.replay.stage import BUSY, LOST, REFUSED, Scenario, Stage, soon
from tests.workflows.delivery import Handle
from tidings.domain.vocabulary import Status


async def sent_at_once(stage: Stage) -> Handle:
    """The first attempt is accepted."""
    async with stage.workers():
        await stage.start()
        await stage.ends(Status.SENT)
    return stage.handle


async def sent_when_its_time_has_come(stage: Stage) -> Handle:
    """It waits for `send_at`."""
    async with stage.workers():
        await stage.start(send_at=soon(2))
        await stage.ends(Status.SENT)
    return stage.handle


async def retried_then_sent(stage: Stage) -> Handle:
    """Two attempts fail for a passing cause."""
    async with stage.workers([BUSY, BUSY, None]):
        await stage.start()
        await stage.ends(Status.SENT)
    return stage.handle


async def budget_used_up_and_window_over(stage: Stage) -> Handle:
    """Seven attempts fail; nobody retries it by hand."""
    async with stage.workers([BUSY], retry_window=1):
        await stage.start()
        await stage.ends(Status.FAILED)
    assert len(stage.provider.calls) == 7
    return stage.handle


async def refused_and_window_over(stage: Stage) -> Handle:
    """A permanent failure; nobody retries it by hand."""
    async with stage.workers([REFUSED], retry_window=1):
        await stage.start()
        await stage.ends(Status.FAILED)
    return stage.handle


async def unknown_then_sent_again(stage: Stage) -> Handle:
    """`at_least_once`: what may have gone out is sent again."""
    async with stage.workers([LOST, None]):
        await stage.start()
        await stage.ends(Status.SENT)
    return stage.handle


SCENARIOS = [
    Scenario(sent_at_once),
    Scenario(sent_when_its_time_has_come),
    Scenario(retried_then_sent),
    Scenario(budget_used_up_and_window_over),
    Scenario(refused_and_window_over),
    Scenario(unknown_then_sent_again),
]
