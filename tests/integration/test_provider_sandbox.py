"""`sandbox`, and `webhook`, against the real sandbox: what it takes and how it fails on purpose."""

import pytest

from tests.provider_support import outgoing, provider_settings, running_sandbox
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure, SendFailure, TransientFailure, UnknownOutcome
from tidings.providers.protocol import Acceptance, OutgoingMessage, Provider
from tidings.providers.sandbox import SandboxProvider
from tidings.providers.webhook import WebhookProvider


async def deliver(provider: Provider, message: OutgoingMessage) -> Acceptance:
    try:
        return await provider.send(message)
    finally:
        await provider.aclose()


ON_PURPOSE = [
    ("temporary-failure-x", "+14155550001", TransientFailure, "http_503"),
    ("permanent-failure", "+14155550002", PermanentFailure, "http_422"),
    ("hang-forever", "+14155550004", UnknownOutcome, "no_answer"),
]


@pytest.mark.parametrize(("word", "number", "kind", "code"), ON_PURPOSE)
async def test_the_sandbox_fails_on_purpose(
    word: str, number: str, kind: type[SendFailure], code: str
) -> None:
    async with running_sandbox() as running:
        settings = provider_settings(
            sandbox_url=running.url,
            webhook_allowed_networks="127.0.0.0/8",
            provider_connect_timeout=0.5,
            provider_response_timeout=0.2,
        )
        sends: list[tuple[Provider, OutgoingMessage]] = [
            (SandboxProvider(settings), outgoing(Channel.SMS, number)),
            (SandboxProvider(settings), outgoing(Channel.PUSH, word)),
            (WebhookProvider(settings), outgoing(Channel.WEBHOOK, f"{running.url}/hooks/a/{word}")),
        ]
        for provider, message in sends:
            with pytest.raises(SendFailure) as raised:
                await deliver(provider, message)
            assert (type(raised.value), raised.value.code) == (kind, code)
            if isinstance(raised.value, TransientFailure):
                assert raised.value.retry_after is not None
        assert len(running.sandbox.inbox) == 0


async def test_the_sandbox_takes_messages_of_channels_without_a_provider() -> None:
    async with running_sandbox() as running:
        settings = provider_settings(sandbox_url=f"{running.url}/")
        message = outgoing(Channel.SMS, "+14155550003", subject=None, body="Kód 7 📦")
        acceptance = await deliver(SandboxProvider(settings), message)
        [sms] = running.sandbox.inbox
    assert acceptance.reference is not None
    assert acceptance.reference.startswith("sandbox-")
    assert (sms.channel, sms.provider, sms.recipient) == (Channel.SMS, "sandbox", "+14155550003")
    assert (sms.subject, sms.body, sms.notification_id) == (None, "Kód 7 📦", message.key)


async def test_a_counted_failure_ends() -> None:
    async with running_sandbox() as running:
        provider = SandboxProvider(provider_settings(sandbox_url=running.url))
        message = outgoing(Channel.PUSH, "temporary-failure-1-token")
        with pytest.raises(TransientFailure):
            await provider.send(message)
        await deliver(provider, message)
        assert [push.recipient for push in running.sandbox.inbox] == ["temporary-failure-1-token"]
