"""What the worker counts of an attempt and of its record: each once, and nothing of test keys' attempts."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from temporalio.testing import ActivityEnvironment

from activities.memory_log import InMemoryDeliveryLog
from activities.metered_log import MeteredDeliveryLog, MeteredReceiptLog
from activities.provider_calls import ProviderCalls
from activities.sending import SendActivities
from tests.send_activity import persisted, request_for
from tests.workflows.delivery import ScriptedProvider
from tidings.domain.decision import Terms
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Attempt, DeliveryState, Notification
from tidings.domain.receipt import Receipt, ReceiptKind, Received, SuppressionReason
from tidings.domain.suppression import Suppression
from tidings.domain.vocabulary import Channel, KeyMode, Status
from tidings.errors import PermanentFailure, SendFailure, StorageUnavailable, TransientFailure, UnknownOutcome
from tidings.messages.delivery import SendRequest
from tidings.metrics import WorkerMetrics

REACHED = "tidings_acceptance_to_provider_seconds"
BY_SMTP = {"channel": "email", "provider": "smtp"}


class Worker:
    """The send activity over a log in memory, metered as the worker's."""

    def __init__(self, *script: SendFailure | None) -> None:
        self.metrics = WorkerMetrics(CollectorRegistry())
        self.memory = InMemoryDeliveryLog()
        self.provider = ScriptedProvider(script)
        self.log = MeteredDeliveryLog(self.memory, self.metrics)
        calls = ProviderCalls(self.provider, sandboxed=self.provider, meter=self.metrics)
        self.activities = SendActivities(self.log, calls)

    async def send(self, request: SendRequest) -> DeliveryState:
        environment = ActivityEnvironment()
        environment.info = replace(environment.default_info(), started_time=datetime.now(UTC))
        return (await environment.run(self.activities.send, request)).state

    def counted(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)

    def names(self) -> set[str]:
        """Everything that was counted."""
        families = self.metrics.registry.collect()
        return {family.name for family in families if family.samples}


def again(request: SendRequest, state: DeliveryState, *, automatic: bool) -> SendRequest:
    terms: Terms = request.terms.model_copy(update={"automatic": automatic})
    return request.model_copy(update={"number": request.number + 1, "state": state, "terms": terms})


@pytest.mark.parametrize(("automatic", "cause"), [(True, "schedule"), (False, "hand")])
async def test_a_retry_is_counted_by_what_called_for_it(automatic: bool, cause: str) -> None:
    worker = Worker(TransientFailure("smtp_451", "later"), None)
    request = request_for(await persisted(worker.memory))
    state = await worker.send(request)
    assert "tidings_retries" not in worker.names()
    await worker.send(again(request, state, automatic=automatic))
    assert worker.counted("tidings_retries_total", cause=cause, **BY_SMTP) == 1
    assert worker.counted(f"{REACHED}_count", channel="email") == 1


@pytest.mark.parametrize(
    ("accepted", "send_at", "least", "most"),
    [(90, None, 90, 100), (90, 20, 20, 30), (90, 120, 90, 100), (-30, None, 0, 0)],
    ids=["accepted", "due later", "due before", "our clock is behind the API's"],
)
async def test_the_time_to_the_provider_begins_when_the_notification_was_due(
    accepted: int, send_at: int | None, least: float, most: float
) -> None:
    def ago(seconds: int) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=seconds)

    worker = Worker(None)
    given: dict[str, Any] = {"created_at": ago(accepted), "send_at": send_at and ago(send_at)}
    await worker.send(request_for(await persisted(worker.memory, **given)))
    total = worker.counted(f"{REACHED}_sum", channel="email")
    assert total is not None
    assert least <= total <= most


async def test_a_notification_that_was_accepted_before_is_not_measured_again() -> None:
    worker = Worker(None)
    request = request_for(await persisted(worker.memory))
    state = await worker.send(request)
    bounced = state.moved(Status.FAILED, state.updated_at)
    # As a receipt leaves it.
    worker.memory._entries[request.notification_id].state = bounced
    await worker.send(again(request, bounced, automatic=False))
    assert worker.counted("tidings_retries_total", cause="hand", **BY_SMTP) == 1
    assert worker.counted(f"{REACHED}_count", channel="email") == 1


async def test_what_nobody_can_know_is_counted_whoever_finds_it() -> None:
    worker = Worker(UnknownOutcome("connection_lost", "?"))
    await worker.send(request_for(await persisted(worker.memory)))
    assert worker.counted("tidings_unknown_total", code="connection_lost", **BY_SMTP) == 1

    lost = await persisted(worker.memory)
    begun = Attempt(number=1, provider="smtp", started_at=datetime.now(UTC))
    await worker.memory.begin(lost.id, begun, sending(lost), "another run")
    await worker.send(request_for(lost))
    assert len(worker.provider.calls) == 1
    assert worker.counted("tidings_unknown_total", code="worker_lost", **BY_SMTP) == 1


async def test_test_keys_attempts_are_not_counted() -> None:
    worker = Worker(UnknownOutcome("connection_lost", "?"), None)
    request = request_for(await persisted(worker.memory, mode=KeyMode.TEST))
    await worker.send(again(request, await worker.send(request), automatic=True))
    assert len(worker.provider.calls) == 2
    assert worker.names() == {"tidings_notifications_ended"}


@pytest.mark.parametrize(
    ("answer", "ended"),
    [(None, "sent"), (PermanentFailure("smtp_550", "no"), "failed"), (TransientFailure("a", "b"), None)],
)
async def test_an_end_is_counted_once_it_stands_in_the_record(answer: SendFailure | None, ended: str) -> None:
    worker = Worker(answer)
    await worker.send(request_for(await persisted(worker.memory)))
    for status in ("sent", "failed", "unknown"):
        expected = 1 if status == ended else None
        assert worker.counted("tidings_notifications_ended_total", status=status) == expected


async def test_an_end_that_could_not_be_recorded_is_counted_when_it_is() -> None:
    worker = Worker()
    notification = await persisted(worker.memory)
    cancelled = DeliveryState.initial(notification).moved(Status.CANCELLED, datetime.now(UTC))
    worker.memory.available = False
    with pytest.raises(StorageUnavailable):
        await worker.log.withdraw(notification.id, 1, cancelled)
    assert worker.names() == set()
    worker.memory.available = True
    assert await worker.log.withdraw(notification.id, 1, cancelled) is None
    assert worker.counted("tidings_notifications_ended_total", status="cancelled") == 1


async def test_the_suppression_list_is_counted_where_it_is_met_and_where_it_grows() -> None:
    gone = PermanentFailure("smtp_550", "no such user", suppresses="hard_bounce")
    worker = Worker(gone)
    await worker.send(request_for(await persisted(worker.memory)))
    assert worker.counted("tidings_suppressions_total", reason="hard_bounce", provider="smtp") == 1

    met = await persisted(worker.memory, recipient="gone@example.com")
    worker.memory.suppressed[met.recipient] = suppression_of(met)
    await worker.send(request_for(met))
    assert worker.counted("tidings_suppressed_total", channel="email", reason="hard_bounce") == 1
    assert len(worker.provider.calls) == 1


@pytest.mark.parametrize(
    ("received", "listed"),
    [
        (Received(found=True), 1),
        (Received(found=False), None),
        (Received(found=True, repeated=True), None),
        (Received(found=True, settled=False), None),
    ],
    ids=["first", "nobody's", "repeated", "comes again"],
)
async def test_a_receipt_that_lists_its_recipient_is_counted_once(
    received: Received, listed: float | None
) -> None:
    metrics = WorkerMetrics(CollectorRegistry())
    log = MeteredReceiptLog(Answers([received]), metrics)
    receipt = Receipt(
        provider="ses",
        event_id="1",
        notification_id=new_id(),
        kind=ReceiptKind.FAILED,
        suppresses=SuppressionReason.HARD_BOUNCE,
        occurred_at=datetime.now(UTC),
    )
    assert await log.receive(receipt) == received
    labels = {"reason": "hard_bounce", "provider": "ses"}
    assert metrics.registry.get_sample_value("tidings_suppressions_total", labels) == listed


class Answers:
    """A receipt log that answers as it was told."""

    def __init__(self, answers: Iterable[Received]) -> None:
        self._answers = iter(answers)

    async def receive(self, receipt: Receipt) -> Received:
        return next(self._answers)


def sending(notification: Notification) -> DeliveryState:
    return DeliveryState.initial(notification).sending(1, "smtp", datetime.now(UTC))


def suppression_of(notification: Notification) -> Suppression:
    return Suppression(
        id=new_id(),
        tenant=notification.tenant,
        mode=notification.mode,
        channel=Channel.EMAIL,
        recipient=notification.recipient,
        reason=SuppressionReason.HARD_BOUNCE,
        provider="ses",
        notification_id=new_id(),
        created_at=datetime.now(UTC),
    )
