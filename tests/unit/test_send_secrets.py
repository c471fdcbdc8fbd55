"""The send activity and the secrets of webhook endpoints."""

import pytest
from temporalio.testing import ActivityEnvironment

from activities.memory_log import InMemoryDeliveryLog
from activities.provider_calls import NothingCounted, ProviderCalls
from activities.sending import SendActivities
from tests.send_activity import persisted, request_for
from tests.workflows.delivery import ScriptedProvider
from tidings.domain.notification import Attempt
from tidings.domain.vocabulary import Channel, KeyMode, Outcome
from tidings.errors import (
    ProviderMisconfigured,
    StorageUnavailable,
)


class Secrets:
    """An endpoint's secrets, or why they cannot be had."""

    def __init__(self, answer: tuple[str, ...] | Exception) -> None:
        self.answer = answer

    async def of(self, tenant: str, url: str) -> tuple[str, ...]:
        assert (tenant, url) == ("acme", "https://example.com/hook")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def webhook_sent(
    answer: tuple[str, ...] | Exception, mode: KeyMode = KeyMode.LIVE
) -> tuple[Attempt, ScriptedProvider, ScriptedProvider]:
    """One attempt of a webhook; the live provider and the sandboxed one."""
    log, live, sandboxed = InMemoryDeliveryLog(), ScriptedProvider([None]), ScriptedProvider([None])
    notification = await persisted(log, channel="webhook", recipient="https://example.com/hook", mode=mode)
    environment = ActivityEnvironment()
    environment.info = environment.default_info()
    activities = SendActivities(log, ProviderCalls(live, sandboxed=sandboxed, secrets=Secrets(answer)))
    report = await environment.run(activities.send, request_for(notification))
    assert report.attempt is not None
    return report.attempt, live, sandboxed


async def test_a_webhook_is_handed_over_with_its_endpoints_secrets_and_a_test_without() -> None:
    attempt, live, sandboxed = await webhook_sent(("new", "old"))
    assert attempt.outcome is Outcome.ACCEPTED
    assert ([call.signing_secrets for call in live.calls], sandboxed.calls) == ([("new", "old")], [])
    _, live, sandboxed = await webhook_sent(("new", "old"), KeyMode.TEST)
    assert ([call.signing_secrets for call in sandboxed.calls], live.calls) == ([()], [])


@pytest.mark.parametrize(
    ("fault", "outcome", "code"),
    [
        (StorageUnavailable("away"), Outcome.TRANSIENT, "secrets_unavailable"),
        (ProviderMisconfigured("webhook_key_missing", "no key"), Outcome.PERMANENT, "webhook_key_missing"),
    ],
)
async def test_nobody_is_called_while_the_secrets_of_an_endpoint_are_not_known(
    fault: Exception, outcome: Outcome, code: str
) -> None:
    attempt, live, sandboxed = await webhook_sent(fault)
    assert attempt.error is not None
    assert (attempt.outcome, attempt.error.code) == (outcome, code)
    assert not live.calls
    assert not sandboxed.calls


async def test_an_endpoint_whose_key_is_missing_raises_the_alarm() -> None:
    raised: list[tuple[Channel, str, str]] = []

    class Meter(NothingCounted):
        def misconfigured(self, channel: Channel, provider: str, code: str) -> None:
            raised.append((channel, provider, code))

    log = InMemoryDeliveryLog()
    notification = await persisted(log, channel="webhook", recipient="https://example.com/hook")
    missing = Secrets(ProviderMisconfigured("webhook_key_missing", "no key"))
    calls = ProviderCalls(ScriptedProvider([None]), secrets=missing, meter=Meter())
    environment = ActivityEnvironment()
    environment.info = environment.default_info()
    await environment.run(SendActivities(log, calls).send, request_for(notification))
    assert raised == [(Channel.WEBHOOK, "smtp", "webhook_key_missing")]
