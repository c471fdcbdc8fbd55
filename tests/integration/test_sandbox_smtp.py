"""The sandbox's SMTP server, as the `smtp` provider sees it."""

from typing import Any

import pytest

from tests.provider_support import outgoing, provider_settings, running_sandbox
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure, SendFailure, TransientFailure, UnknownOutcome
from tidings.providers.protocol import OutgoingMessage
from tidings.providers.smtp import SmtpProvider


def mail_to(recipient: str) -> OutgoingMessage:
    return outgoing(Channel.EMAIL, recipient)


async def send(port: int, message: OutgoingMessage, **settings: Any) -> None:
    provider = SmtpProvider(provider_settings(smtp_port=port, **settings))
    try:
        await provider.send(message)
    finally:
        await provider.aclose()


@pytest.mark.parametrize(
    ("local_part", "kind", "code"),
    [
        ("temporary-failure", TransientFailure, "smtp_451_4.3.0"),
        ("permanent-failure.x", PermanentFailure, "smtp_550_5.1.1"),
        ("hang+tag", UnknownOutcome, "smtp_no_answer"),
    ],
)
async def test_the_sandbox_fails_on_purpose(local_part: str, kind: type[SendFailure], code: str) -> None:
    async with running_sandbox() as running:
        for _ in range(2):
            with pytest.raises(SendFailure) as raised:
                await send(
                    running.smtp_port, mail_to(f"{local_part}@example.com"), provider_response_timeout=0.2
                )
            assert (type(raised.value), raised.value.code) == (kind, code)
        assert len(running.sandbox.inbox) == 0


async def test_a_counted_failure_ends_for_each_notification_by_itself() -> None:
    async with running_sandbox() as running:
        for _ in range(2):
            message = mail_to("temporary-failure-2@example.com")
            for _ in range(2):
                with pytest.raises(TransientFailure):
                    await send(running.smtp_port, message)
            await send(running.smtp_port, message)
        assert len(running.sandbox.inbox) == 2


async def test_a_slow_recipient_is_not_in_the_inbox_before_it_is_accepted() -> None:
    async with running_sandbox(sandbox_slow_seconds=30) as running:
        with pytest.raises(UnknownOutcome):
            await send(running.smtp_port, mail_to("slow@example.com"), provider_response_timeout=0.2)
        assert len(running.sandbox.inbox) == 0
    async with running_sandbox() as running:
        await send(running.smtp_port, mail_to("slow@example.com"))
        assert len(running.sandbox.inbox) == 1


async def test_the_sandbox_takes_any_credentials() -> None:
    credentials = {"smtp_tls": "none", "smtp_username": "ada", "smtp_password": "any"}
    async with running_sandbox() as running:
        await send(running.smtp_port, mail_to("ada@example.com"), **credentials)
        assert len(running.sandbox.inbox) == 1
