"""Starting, finding, asking and signalling notifications on a real Temporal server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from tests.support import eventually, free_port
from tests.workflows.delivery import HOURS, delivery_worker
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Notification
from tidings.domain.vocabulary import Status
from tidings.errors import OrchestratorUnavailable, PermanentFailure, TransientFailure
from tidings.local.temporal_server import TemporalServer, temporal_program
from tidings.messages.delivery import DeliveryResult, SignalNote
from tidings.temporal import names
from tidings.temporal.client import connect
from tidings.temporal.notifications import NotificationWorkflows

BUSY = TransientFailure("smtp_451", "try again later")
REFUSED = PermanentFailure("smtp_550", "no such mailbox")


def an_email(**fields: Any) -> Notification:
    given = {"id": new_id(), "tenant": "acme", "channel": "email", "recipient": "ada@example.com"}
    return Notification.model_validate(
        {**given, "subject": "Hello", "body": "Hi", "created_at": datetime.now(UTC), **fields}
    )


class CleanedUp(NotificationWorkflows):
    """Ends what a test leaves open, so that no later test's worker picks it up."""

    def __init__(self, client: Client) -> None:
        super().__init__(client, "http://127.0.0.1:8233", query_timeout=1)
        self.started: list[Notification] = []

    async def start(self, notification: Notification) -> bool:
        self.started.append(notification)
        return await super().start(notification)

    async def clean_up(self) -> None:
        for notification in self.started:
            with contextlib.suppress(RPCError):
                await self._handle(notification.id).terminate()


@pytest.fixture
async def workflows(temporal_client: Client) -> AsyncIterator[NotificationWorkflows]:
    workflows = CleanedUp(temporal_client)
    yield workflows
    await workflows.clean_up()


async def reaches(workflows: NotificationWorkflows, notification: Notification, status: Status) -> None:
    async def there() -> bool:
        report = await workflows.status(notification.id)
        return report is not None and report.status is status and report.recorded

    await eventually(there)


async def test_a_notification_sent_at_once_costs_7_state_transitions_and_13_events(
    temporal_client: Client, workflows: NotificationWorkflows
) -> None:
    async with delivery_worker(temporal_client):
        notification = an_email()
        await workflows.start(notification)
        handle = temporal_client.get_workflow_handle(
            names.workflow_id(notification.id), result_type=DeliveryResult
        )
        assert (await handle.result()).state.status is Status.SENT
        description = await handle.describe()
        info = description.raw_description.workflow_execution_info
        assert info.history_length <= 13
        assert info.state_transition_count <= 7
        assert description.typed_search_attributes[names.NOTIFICATION_STATUS] == "sent"
        assert description.typed_search_attributes[names.NOTIFICATION_CHANNEL] == "email"
        assert description.typed_search_attributes[names.NOTIFICATION_TENANT] == "acme"


async def test_a_started_notification_is_found_before_any_worker_has_seen_it(
    workflows: NotificationWorkflows,
) -> None:
    notification = an_email()
    await workflows.start(notification)
    record = await workflows.find("acme", notification.id)
    assert record is not None
    assert record.notification == notification
    assert record.state.status is Status.PENDING
    assert await workflows.status(notification.id) is None
    assert await workflows.cancel(notification.id)


async def test_nobody_finds_another_tenants_notification(workflows: NotificationWorkflows) -> None:
    notification = an_email()
    await workflows.start(notification)
    assert await workflows.find("other", notification.id) is None
    assert await workflows.find("acme", new_id()) is None


async def test_of_several_starts_with_one_id_one_succeeds_and_the_others_say_so(
    workflows: NotificationWorkflows,
) -> None:
    notification = an_email()
    started = await asyncio.gather(*(workflows.start(notification) for _ in range(5)))
    assert sorted(started) == [False] * 4 + [True]
    assert await workflows.find("acme", notification.id) is not None


async def test_a_closed_workflow_is_not_started_again(
    temporal_client: Client, workflows: NotificationWorkflows
) -> None:
    notification = an_email()
    assert await workflows.start(notification)
    await temporal_client.get_workflow_handle(names.workflow_id(notification.id)).terminate()
    assert not await workflows.start(notification)


async def test_a_closed_workflow_is_found_in_its_last_state_and_takes_no_signal(
    temporal_client: Client, workflows: NotificationWorkflows
) -> None:
    async with delivery_worker(temporal_client):
        notification = an_email()
        await workflows.start(notification)
        await temporal_client.get_workflow_handle(names.workflow_id(notification.id)).result()
    record = await workflows.find("acme", notification.id)
    assert record is not None
    assert record.state.status is Status.SENT
    assert record.state.provider_reference == "reference-1"
    assert not await workflows.cancel(notification.id)
    assert not await workflows.is_open(notification.id)
    assert not await workflows.is_open(new_id())


async def test_the_temporal_command_line_cancels_exactly_as_ours_does(
    temporal_client: Client, temporal_server: TemporalServer, workflows: NotificationWorkflows
) -> None:
    async with delivery_worker(temporal_client, [BUSY], retry=HOURS):
        notification = an_email()
        await workflows.start(notification)
        await reaches(workflows, notification, Status.RETRYING)
        process = await asyncio.create_subprocess_exec(
            *(temporal_program(), "workflow", "signal", "--address", temporal_server.address),
            *("--workflow-id", names.workflow_id(notification.id), "--name", "cancel"),
            stdout=asyncio.subprocess.DEVNULL,
        )
        assert await process.wait() == 0
        result = await temporal_client.get_workflow_handle(
            names.workflow_id(notification.id), result_type=DeliveryResult
        ).result()
        assert result.state.status is Status.CANCELLED


async def test_retry_with_a_reason_revives_a_failed_notification(
    temporal_client: Client, workflows: NotificationWorkflows
) -> None:
    async with delivery_worker(temporal_client, [REFUSED, None]):
        notification = an_email()
        await workflows.start(notification)
        await reaches(workflows, notification, Status.FAILED)
        record = await workflows.find("acme", notification.id)
        assert record is not None
        await workflows.retry(record, SignalNote(reason="the mailbox exists now"))
        result = await temporal_client.get_workflow_handle(
            names.workflow_id(notification.id), result_type=DeliveryResult
        ).result()
        assert result.state.status is Status.SENT
        assert result.state.attempt_count == 2


async def test_everything_says_so_while_temporal_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{free_port()}")
    away = NotificationWorkflows(await connect(lazy=True), "http://127.0.0.1:8233", timeout=1)
    notification = an_email()
    with pytest.raises(OrchestratorUnavailable):
        await away.start(notification)
    with pytest.raises(OrchestratorUnavailable):
        await away.find("acme", notification.id)
    with pytest.raises(OrchestratorUnavailable):
        await away.cancel(notification.id)
    with pytest.raises(OrchestratorUnavailable):
        await away.status(notification.id)


@pytest.mark.parametrize(
    ("signals", "status", "calls"),
    [
        ((names.SIGNAL_RETRY, names.SIGNAL_CANCEL), Status.CANCELLED, 0),
        ((names.SIGNAL_CANCEL, names.SIGNAL_RETRY), Status.SENT, 1),
    ],
    ids=["cancel", "retry"],
)
async def test_the_later_of_retry_and_cancel_counts_for_a_failed_notification(
    temporal_client: Client,
    workflows: NotificationWorkflows,
    signals: tuple[str, str],
    status: Status,
    calls: int,
) -> None:
    notification = an_email()
    async with delivery_worker(temporal_client, [REFUSED]) as delivery:
        await workflows.start(notification)
        await reaches(workflows, notification, Status.FAILED)
    # No worker runs: both signals reach the workflow in one activation.
    handle = temporal_client.get_workflow_handle(
        names.workflow_id(notification.id), result_type=DeliveryResult
    )
    for signal in signals:
        await handle.signal(signal)
    async with delivery_worker(temporal_client, log=delivery.log) as again:
        assert (await handle.result()).state.status is status
        assert len(again.provider.calls) == calls
