"""One attempt number, one call: the send activity under every kind of answer and of second run."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from temporalio.activity import ActivityCancellationDetails
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import beginning
from activities.memory_health import InMemoryProviderHealth
from activities.memory_log import InMemoryDeliveryLog
from activities.provider_calls import NothingCounted, ProviderCalls
from activities.provider_watch import ProviderWatch
from activities.sending import SendActivities
from tests.send_activity import persisted, request_for
from tests.support import eventually
from tests.workflows.delivery import ScriptedProvider
from tidings.domain.notification import Attempt
from tidings.domain.provider_health import SkipRule
from tidings.domain.record import BegunAttempt
from tidings.domain.vocabulary import Channel, Guarantee, KeyMode, Outcome, Status
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


async def run(
    log: InMemoryDeliveryLog, provider: ScriptedProvider, request: SendRequest
) -> tuple[SendReport, Attempt]:
    """Run the activity as Temporal would, as a new run; its report and the attempt in it."""
    report = await report_of(log, provider, request)
    assert report.attempt is not None
    return report, report.attempt


async def report_of(log: InMemoryDeliveryLog, provider: ScriptedProvider, request: SendRequest) -> SendReport:
    environment = ActivityEnvironment()
    environment.info = environment.default_info()
    return await environment.run(SendActivities(log, ProviderCalls(provider)).send, request)


def another_run_has_begun(log: InMemoryDeliveryLog, notification_id: UUID, attempt: Attempt) -> None:
    """What is left when the worker dies after `begin`."""
    entry = log._entries[notification_id]
    entry.claims[attempt.number] = "another run"
    entry.attempts[attempt.number] = attempt


async def test_without_a_sandbox_a_test_notification_reaches_nobody() -> None:
    log, live = InMemoryDeliveryLog(), ScriptedProvider([None])
    notification = await persisted(log, mode=KeyMode.TEST)
    _, attempt = await run(log, live, request_for(notification))
    assert attempt.error is not None
    assert (attempt.error.code, live.calls) == ("no_sandbox", [])


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
    report, attempt = await run(log, provider, request_for(notification))
    assert attempt.outcome is outcome
    assert (attempt.error.code if attempt.error else None) == code
    assert log.attempts(notification.id) == [attempt]
    assert report.recorded
    assert log.state(notification.id) == report.state
    follows = {None: Status.SENT, "smtp_451": Status.RETRYING, "connection_lost": Status.RETRYING}
    assert report.state.status is follows.get(code, Status.FAILED)


async def test_the_provider_gets_what_it_needs_of_the_notification() -> None:
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([None])
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    notification = await persisted(
        log, priority="bulk", expires_at=expires_at, metadata={"collapse_key": "a"}
    )
    await run(log, provider, request_for(notification))
    [message] = provider.calls
    assert (message.priority, message.expires_at) == (notification.priority, expires_at)
    assert (message.key, message.metadata) == (str(notification.id), {"collapse_key": "a"})


async def test_a_second_run_after_a_dead_worker_reports_unknown_and_calls_nobody() -> None:
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([None])
    notification = await persisted(log)
    begun = Attempt(number=1, provider="smtp", started_at=datetime.now(UTC))
    another_run_has_begun(log, notification.id, begun)
    _report, attempt = await run(log, provider, request_for(notification))
    assert provider.calls == []
    assert attempt.outcome is Outcome.UNKNOWN
    assert attempt.error is not None
    assert attempt.error.code == "worker_lost"
    assert attempt.started_at == begun.started_at


async def test_a_second_run_after_a_recorded_acceptance_reports_it_and_calls_nobody() -> None:
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([None])
    notification = await persisted(log)
    request = request_for(notification)
    first = await run(log, provider, request)
    log._entries[notification.id].claims[1] = "another run"
    assert (await run(log, provider, request))[1] == first[1]
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
    monkeypatch.setattr(beginning, "PAUSE", 0.001)
    log, provider = FlakyLog(), ScriptedProvider([None])
    notification = await persisted(log)
    log.failures = 3
    _, attempt = await run(log, provider, request_for(notification))
    assert attempt.outcome is Outcome.ACCEPTED
    assert len(provider.calls) == 1


async def test_an_attempt_that_cannot_begin_calls_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginning, "PAUSE", 0.001)
    monkeypatch.setattr(beginning, "BEGIN_LIMIT", timedelta(seconds=0.01))
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
    _, attempt = await run(log, provider, request_for(notification, limit=0.01))
    assert attempt.outcome is Outcome.UNKNOWN
    assert attempt.error is not None
    assert attempt.error.code == "timeout"


async def test_a_fault_of_an_adapter_is_an_unknown_outcome_not_a_crash() -> None:
    class Faulty(ScriptedProvider):
        async def send(self, message: OutgoingMessage) -> Acceptance:
            raise KeyError("surprise")

    log = InMemoryDeliveryLog()
    notification = await persisted(log)
    _, attempt = await run(log, Faulty([None]), request_for(notification))
    assert attempt.outcome is Outcome.UNKNOWN
    assert attempt.error is not None
    assert "surprise" not in attempt.error.message


async def test_an_outage_after_the_call_still_reports_the_outcome() -> None:
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([None])
    provider.gate = asyncio.Event()
    notification = await persisted(log)
    running = asyncio.create_task(run(log, provider, request_for(notification)))
    await provider.called.wait()
    log.available = False
    provider.gate.set()
    report, attempt = await running
    assert attempt.outcome is Outcome.ACCEPTED
    assert not report.recorded


async def test_retry_after_is_handed_on_in_seconds() -> None:
    log = InMemoryDeliveryLog()
    provider = ScriptedProvider([TransientFailure("http_429", "slow", timedelta(minutes=2))])
    notification = await persisted(log)
    _, attempt = await run(log, provider, request_for(notification))
    assert attempt.retry_after == 120


async def test_an_attempt_that_is_not_due_yet_asks_to_be_run_again_then() -> None:
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([None])
    notification = await persisted(log)
    environment = ActivityEnvironment()
    due = environment.default_info().started_time + timedelta(hours=1)
    request = request_for(notification).model_copy(update={"due": due})
    with pytest.raises(ApplicationError) as early:
        await environment.run(SendActivities(log, ProviderCalls(provider)).send, request)
    assert early.value.next_retry_delay is not None
    assert timedelta(minutes=59) < early.value.next_retry_delay <= timedelta(hours=1)
    assert log.attempts(notification.id) == []


async def test_nothing_is_sent_when_a_worker_comes_to_it_after_its_expiry() -> None:
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([None])
    notification = await persisted(log)
    request = request_for(notification)
    past = ActivityEnvironment().default_info().started_time - timedelta(seconds=1)
    expired = request.state.model_copy(update={"expires_at": past})
    report = await report_of(log, provider, request.model_copy(update={"state": expired}))
    assert (report.attempt, report.state, provider.calls) == (None, expired, [])


async def test_nothing_is_sent_if_it_expires_while_the_attempt_is_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(beginning, "PAUSE", 0.05)
    log, provider = FlakyLog(), ScriptedProvider([None])
    log.failures = 2
    notification = await persisted(log)
    request = request_for(notification)
    soon = ActivityEnvironment().default_info().started_time + timedelta(seconds=0.05)
    state = request.state.model_copy(update={"expires_at": soon})
    report, attempt = await run(log, provider, request.model_copy(update={"state": state}))
    assert provider.calls == []
    assert (attempt.outcome, attempt.error and attempt.error.code) == (Outcome.TRANSIENT, "expired")
    assert (report.state.status, report.state.next_attempt_at) == (Status.RETRYING, None)


async def test_an_attempt_of_a_notification_that_has_gone_on_is_not_made() -> None:
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([None])
    notification = await persisted(log)
    request = request_for(notification)
    cancelled = request.state.moved(Status.CANCELLED, datetime.now(UTC)).moved(
        Status.CANCELLED, datetime.now(UTC)
    )
    await log.withdraw(notification.id, 1, cancelled)
    report = await report_of(log, provider, request)
    assert (report.attempt, report.state, report.recorded) == (None, cancelled, True)
    assert provider.calls == []


async def test_at_most_once_parks_what_nobody_can_know() -> None:
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([UnknownOutcome("connection_lost", "?")])
    notification = await persisted(log)
    request = request_for(notification)
    terms = request.terms.model_copy(update={"guarantee": Guarantee.AT_MOST_ONCE})
    report, _ = await run(log, provider, request.model_copy(update={"terms": terms}))
    assert report.state.status is Status.UNKNOWN


async def test_a_cancellation_does_not_break_off_an_attempt_under_way() -> None:
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([None])
    provider.gate = asyncio.Event()
    notification = await persisted(log)
    environment = ActivityEnvironment()
    running = asyncio.ensure_future(
        environment.run(SendActivities(log, ProviderCalls(provider)).send, request_for(notification))
    )
    await provider.called.wait()
    environment.cancel(cancellation_details=ActivityCancellationDetails(cancel_requested=True))
    provider.gate.set()
    report = await running
    assert report.state.status is Status.SENT


async def test_a_worker_that_shuts_down_breaks_off_what_it_cannot_end() -> None:
    log, provider = InMemoryDeliveryLog(), ScriptedProvider([None])
    provider.gate = asyncio.Event()
    notification = await persisted(log)
    environment = ActivityEnvironment()
    running = asyncio.ensure_future(
        environment.run(SendActivities(log, ProviderCalls(provider)).send, request_for(notification))
    )
    await provider.called.wait()
    environment.cancel(cancellation_details=ActivityCancellationDetails(worker_shutdown=True))
    with pytest.raises(asyncio.CancelledError):
        await running
    (attempt,) = log.attempts(notification.id)
    assert attempt.outcome is None


async def test_a_cancellation_ends_the_tries_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginning, "PAUSE", 60)
    log, provider = FlakyLog(), ScriptedProvider([None])
    log.failures = 1
    notification = await persisted(log)
    environment = ActivityEnvironment()
    running = asyncio.ensure_future(
        environment.run(SendActivities(log, ProviderCalls(provider)).send, request_for(notification))
    )
    await eventually(lambda: log.failures == 0)
    environment.cancel(cancellation_details=ActivityCancellationDetails(cancel_requested=True))
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (provider.calls, log.attempts(notification.id)) == ([], [])


async def test_a_suppressed_recipient_fails_without_an_attempt() -> None:
    log, provider = (
        InMemoryDeliveryLog(),
        ScriptedProvider([PermanentFailure("x", "gone", suppresses="gone")]),
    )
    first = await persisted(log)
    await run(log, provider, request_for(first))
    later = await persisted(log)
    report = await report_of(log, provider, request_for(later))
    assert (report.attempt, report.recorded, len(provider.calls)) == (None, True, 1)
    assert report.state.status is Status.FAILED
    assert report.state.error is not None
    assert report.state.error.code == "suppressed"
    assert (report.state.attempt_count, log.attempts(later.id)) == (0, [])
    assert log.state(later.id) == report.state


async def a_probe_is_due(health: InMemoryProviderHealth) -> ProviderWatch:
    await health.skip(Channel.EMAIL, "smtp", failures=5, code="smtp_421", seconds=0)
    watch = ProviderWatch(health, SkipRule(), NothingCounted(), lease=60)
    await watch.read()
    return watch


async def test_a_second_run_goes_on_from_the_provider_that_the_first_had_chosen() -> None:
    log, provider, health = InMemoryDeliveryLog(), ScriptedProvider([None]), InMemoryProviderHealth()
    notification = await persisted(log)
    begun = Attempt(number=1, provider="sendgrid", started_at=datetime.now(UTC))
    another_run_has_begun(log, notification.id, begun)
    request = request_for(notification)
    route = request.terms.model_copy(update={"route": ["smtp", "sendgrid"]})
    request = request.model_copy(update={"terms": route, "channel": Channel.EMAIL})
    watch = await a_probe_is_due(health)
    report = await ActivityEnvironment().run(
        SendActivities(log, ProviderCalls(provider), chooser=watch).send, request
    )
    await watch.aclose()
    assert provider.calls == []
    assert report.attempt is not None
    assert (report.attempt.provider, report.state.provider) == ("sendgrid", "sendgrid")
    # It had claimed to find out whether smtp is back, and did not.
    [skipped] = await health.skipped()
    assert not skipped.probing


async def test_a_probe_that_is_accepted_brings_the_provider_back() -> None:
    log, provider, health = InMemoryDeliveryLog(), ScriptedProvider([None]), InMemoryProviderHealth()
    notification = await persisted(log)
    request = request_for(notification).model_copy(update={"channel": Channel.EMAIL})
    watch = await a_probe_is_due(health)
    report = await ActivityEnvironment().run(
        SendActivities(log, ProviderCalls(provider), chooser=watch).send, request
    )
    await watch.aclose()
    assert (report.state.status, await health.skipped()) == (Status.SENT, [])
