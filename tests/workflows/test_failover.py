"""Routes: who takes over when a provider cannot send, and who does not."""

from itertools import pairwise

from temporalio.testing import WorkflowEnvironment

from tests.workflows.delivery import Delivery, ScriptedProvider, delivery_worker
from tidings.domain.notification import Notification
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.vocabulary import Channel, Status
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)

BUSY = TransientFailure("busy", "try again later")
REFUSED = PermanentFailure("no_mailbox", "no such mailbox")
BAD_KEY = ProviderMisconfigured("http_401", "the key is refused")
LOST = UnknownOutcome("no_answer", "the line broke")
MINUTES = RetrySchedule(attempts=6, first=60, factor=2, cap=600, jitter=0)


class Providers:
    """Scripted providers by name."""

    def __init__(self, **scripts: list[SendFailure | None]) -> None:
        self.by_name = {name: ScriptedProvider(script) for name, script in scripts.items()}

    def get(self, name: str, channel: Channel) -> ScriptedProvider:
        return self.by_name[name]


def used(delivery: Delivery, notification: Notification) -> list[str]:
    """The providers of the attempts, in order."""
    return [attempt.provider for attempt in delivery.log.attempts(notification.id)]


def waits(delivery: Delivery, notification: Notification) -> list[int]:
    """Whole minutes between the attempts."""
    pairs = pairwise(delivery.log.attempts(notification.id))
    return [round((after.started_at - before.started_at).total_seconds() / 60) for before, after in pairs]


async def test_a_refused_set_up_hands_over_to_the_next_provider_at_once(
    time_skipping: WorkflowEnvironment,
) -> None:
    providers = Providers(first=[BAD_KEY], second=[None])
    async with delivery_worker(
        time_skipping.client, providers=providers, route=["first", "second"], retry=MINUTES
    ) as delivery:
        notification, handle = await delivery.start()
        state = (await handle.result()).state
        assert (state.status, state.provider) == (Status.SENT, "second")
        assert (used(delivery, notification), waits(delivery, notification)) == (["first", "second"], [0])


async def test_a_set_up_that_every_provider_refuses_fails(time_skipping: WorkflowEnvironment) -> None:
    providers = Providers(first=[BAD_KEY], second=[BAD_KEY])
    async with delivery_worker(
        time_skipping.client, providers=providers, route=["first", "second"], retry=MINUTES
    ) as delivery:
        notification, handle = await delivery.start()
        state = (await handle.result()).state
        assert state.status is Status.FAILED
        assert used(delivery, notification) == ["first", "second"]


async def test_a_refused_recipient_is_not_tried_with_another_provider(
    time_skipping: WorkflowEnvironment,
) -> None:
    providers = Providers(first=[REFUSED], second=[None])
    async with delivery_worker(
        time_skipping.client, providers=providers, route=["first", "second"], retry=MINUTES
    ) as delivery:
        notification, handle = await delivery.start()
        assert (await handle.result()).state.status is Status.FAILED
        assert used(delivery, notification) == ["first"]


async def test_a_passing_failure_goes_to_the_next_provider_after_the_delay(
    time_skipping: WorkflowEnvironment,
) -> None:
    providers = Providers(first=[BUSY], second=[BUSY, None])
    async with delivery_worker(
        time_skipping.client, providers=providers, route=["first", "second"], retry=MINUTES
    ) as delivery:
        notification, handle = await delivery.start()
        assert (await handle.result()).state.status is Status.SENT
        assert used(delivery, notification) == ["first", "second", "first", "second"]
        assert waits(delivery, notification) == [1, 2, 4]


async def test_where_it_fails_over_at_once_only_a_whole_round_waits(
    time_skipping: WorkflowEnvironment,
) -> None:
    providers = Providers(first=[BUSY], second=[BUSY])
    async with delivery_worker(
        time_skipping.client,
        providers=providers,
        route=["first", "second"],
        fails_over_at_once=True,
        retry=MINUTES,
    ) as delivery:
        notification, handle = await delivery.start()
        state = (await handle.result()).state
        assert (state.status, state.automatic_attempts) == (Status.FAILED, 6)
        assert used(delivery, notification) == ["first", "second"] * 3
        assert waits(delivery, notification) == [0, 1, 0, 2, 0]


async def test_after_an_unknown_outcome_the_same_provider_is_asked_again(
    time_skipping: WorkflowEnvironment,
) -> None:
    """It alone may recognise the message by its key."""
    providers = Providers(first=[LOST, None], second=[None])
    async with delivery_worker(
        time_skipping.client, providers=providers, route=["first", "second"], retry=MINUTES
    ) as delivery:
        notification, handle = await delivery.start()
        assert (await handle.result()).state.status is Status.SENT
        assert used(delivery, notification) == ["first", "first"]
