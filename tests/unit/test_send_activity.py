"""One attempt number, one call: the send activity under every kind of answer and of second run."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from temporalio.testing import ActivityEnvironment

from activities import sending
from activities.memory_log import InMemoryDeliveryLog
from activities.sending import SendActivities
from tests.workflows.delivery import ScriptedProvider
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Attempt, DeliveryState, Notification
from tidings.domain.record import BegunAttempt
from tidings.domain.vocabulary import Outcome, Status
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    StorageUnavailable,
    TransientFailure,
    UnknownOutcome,
)
from tidings.messages.delivery import SendReport, SendRequest
from tidings.providers.protocol import Acceptance, OutgoingMessage


async def persisted(log: InMemoryDeliveryLog) -> Notification:
    notification = Notification.model_validate(
        {
            "id": new_id(),
            "tenant": "acme",
            "channel": "email",
            "recipient": "ada@example.com",
            "subject": "Hello",
            "body": "Hello, Ada",
            "created_at": datetime.now(UTC),
        }
    )
    await log.persist(notification, DeliveryState.initial(notification))
    return notification


def request_for(notification: Notification, *, limit: float = 30) -> SendRequest:
    state = DeliveryState.initial(notification).sending(1, "smtp", notification.created_at)
    return SendRequest(notification_id=notification.id, number=1, provider="smtp", state=state, timeout=limit)


async def run(log: InMemoryDeliveryLog, provider: ScriptedProvider, request: SendRequest) -> SendReport:
    """Run the activity as Temporal would, as a new run."""
    environment = ActivityEnvironment()
    environment.info = environment.default_info()
    return await environment.run(SendActivities(log, provider).send, request)


def another_run_has_begun(log: InMemoryDeliveryLog, notification_id: UUID, attempt: Attempt) -> None:
    """What is left when the worker dies after `begin`."""
    entry = log._entries[notification_id]
    entry.claims[attempt.number] = "another run"
    entry.attempts[attempt.number] = attempt


@pytest.mark.parametrize(
    ("answer", "outcome", "code"),
    [
        (None, Outcome.ACCEPTED, None),
        (TransientFailure("smtp_451", "later"), Outcome.TRANSIENT, "smtp_451"),
        (PermanentFailure("smtp_550", "no"), Outcome.PERMANENT, "smtp_550"),
        (ProviderMisconfigured("smtp_535", "bad password"), Outcome.PERMANENT, "smtp_535"),
        (UnknownOutcome("connection_lost", "?"), Outcome.UNKNOWN, "connection_lost"),
    ],
)
async def test_each_answer_of_a_provider_becomes_an_outcome(
    answer: SendFailure | None, outcome: Outcome, code: str | None
) -> None:
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([answer])
    notification = await persisted(log)
    report = await run(log, provider, request_for(notification))
    assert report.attempt.outcome is outcome
    assert (report.attempt.error.code if report.attempt.error else None) == code
    assert log.attempts(notification.id) == [report.attempt]
    assert report.recorded is (outcome is Outcome.ACCEPTED)
    assert (log.state(notification.id).status is Status.SENT) is report.recorded


async def test_a_second_run_after_a_dead_worker_reports_unknown_and_calls_nobody() -> None:
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([None])
    notification = await persisted(log)
    begun = Attempt(number=1, provider="smtp", started_at=datetime.now(UTC))
    another_run_has_begun(log, notification.id, begun)
    report = await run(log, provider, request_for(notification))
    assert provider.calls == []
    assert report.attempt.outcome is Outcome.UNKNOWN
    assert report.attempt.error is not None
    assert report.attempt.error.code == "worker_lost"
    assert report.attempt.started_at == begun.started_at


async def test_a_second_run_after_a_recorded_acceptance_reports_it_and_calls_nobody() -> None:
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([None])
    notification = await persisted(log)
    request = request_for(notification)
    first = await run(log, provider, request)
    log._entries[notification.id].claims[1] = "another run"
    assert await run(log, provider, request) == first
    assert len(provider.calls) == 1


class FlakyLog(InMemoryDeliveryLog):
    """Is away for the first so many tries to begin."""

    failures = 0

    async def begin(self, *arguments: Any) -> BegunAttempt:
        if self.failures:
            self.failures -= 1
            raise StorageUnavailable("away")
        return await super().begin(*arguments)


async def test_the_run_that_could_not_begin_goes_on_trying_and_calls_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "_BEGIN_PAUSE", 0.001)
    log, provider = FlakyLog(), ScriptedProvider([None])
    notification = await persisted(log)
    log.failures = 3
    report = await run(log, provider, request_for(notification))
    assert report.attempt.outcome is Outcome.ACCEPTED
    assert len(provider.calls) == 1


async def test_an_attempt_that_cannot_begin_calls_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_BEGIN_PAUSE", 0.001)
    monkeypatch.setattr(sending, "BEGIN_LIMIT", timedelta(seconds=0.01))
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([None])
    notification = await persisted(log)
    log.available = False
    with pytest.raises(StorageUnavailable):
        await run(log, provider, request_for(notification))
    assert provider.calls == []


async def test_a_provider_that_does_not_answer_in_time_leaves_the_outcome_unknown() -> None:
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([None])
    provider.gate = asyncio.Event()
    notification = await persisted(log)
    report = await run(log, provider, request_for(notification, limit=0.01))
    assert report.attempt.outcome is Outcome.UNKNOWN
    assert report.attempt.error is not None
    assert report.attempt.error.code == "timeout"


async def test_a_fault_of_an_adapter_is_an_unknown_outcome_not_a_crash() -> None:
    class Faulty(ScriptedProvider):
        async def send(self, message: OutgoingMessage) -> Acceptance:
            raise KeyError("surprise")

    log = InMemoryDeliveryLog()
    notification = await persisted(log)
    report = await run(log, Faulty([None]), request_for(notification))
    assert report.attempt.outcome is Outcome.UNKNOWN
    assert report.attempt.error is not None
    assert "surprise" not in report.attempt.error.message


async def test_an_outage_after_the_call_still_reports_the_outcome() -> None:
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([None])
    provider.gate = asyncio.Event()
    notification = await persisted(log)
    running = asyncio.create_task(run(log, provider, request_for(notification)))
    await provider.called.wait()
    log.available = False
    provider.gate.set()
    report = await running
    assert report.attempt.outcome is Outcome.ACCEPTED
    assert not report.recorded


async def test_retry_after_is_handed_on_in_seconds() -> None:
    log = InMemoryDeliveryLog()
    provider = ScriptedProvider([TransientFailure("http_429", "slow", timedelta(minutes=2))])
    notification = await persisted(log)
    assert (await run(log, provider, request_for(notification))).attempt.retry_after == 120
