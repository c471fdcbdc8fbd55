"""`twilio` and `sendgrid` against the sandbox by base URL alone, and against servers that break the line."""

import asyncio
import base64
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest

from tests.delivering import deliver, mail, refused, sms
from tests.provider_support import provider_settings, running_sandbox, serving
from tests.support import free_port
from tidings.domain.vocabulary import Channel
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.protocol import OutgoingMessage, Provider
from tidings.providers.sendgrid import SendgridProvider, SendgridSettings
from tidings.providers.twilio import TwilioProvider, TwilioSettings
from tidings.settings import ProviderSettings

ACCOUNT, SERVICE, KEY = ("AC" + "a" * 32, "MG" + "b" * 32, "SK" + "c" * 32)
QUICK = provider_settings(provider_connect_timeout=0.5, provider_response_timeout=0.2)


def twilio(url: str, settings: ProviderSettings | None = None, **given: Any) -> Provider:
    defaults = {
        "twilio_account_sid": ACCOUNT,
        "twilio_auth_token": "token",
        "twilio_from": "+14155552345",
        "twilio_url": url,
    }
    own = TwilioSettings(_env_file=None, **{**defaults, **given})
    return TwilioProvider(settings or provider_settings(), own)


def sendgrid(url: str, settings: ProviderSettings | None = None, **given: Any) -> Provider:
    defaults = {
        "sendgrid_api_key": "SG.key",
        "sendgrid_from": "Tidings <notifications@example.com>",
        "sendgrid_url": url,
    }
    own = SendgridSettings(_env_file=None, **{**defaults, **given})
    return SendgridProvider(settings or provider_settings(), own)


async def test_an_sms_stands_in_the_inbox_under_twilio() -> None:
    async with running_sandbox() as running:
        message = sms(body="Kód 7 & 8 = 📦+")
        acceptance = await deliver(twilio(f"{running.url}/"), message)
        [received] = running.sandbox.inbox
    assert acceptance.reference is not None
    assert acceptance.reference.startswith("SM")
    assert len(acceptance.reference) == 34
    assert (received.channel, received.provider) == (Channel.SMS, "twilio")
    assert (received.recipient, received.body) == (message.recipient, "Kód 7 & 8 = 📦+")
    assert (received.subject, received.notification_id) == (None, message.key)
    assert ("From", "+14155552345") in received.headers
    assert "token" not in str(received.headers)


@pytest.mark.parametrize("public", [None, "https://notify.example.com"])
async def test_receipts_are_asked_for_only_where_twilio_can_reach_us(public: str | None) -> None:
    forms: list[dict[str, list[str]]] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = re.findall(rb"(?i)content-length: (\d+)", head)
        forms.append(parse_qs((await reader.readexactly(int(length))).decode()))
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    message = sms()
    async with serving(take) as port:
        await deliver(twilio(f"http://127.0.0.1:{port}", provider_settings(public_url=public)), message)
    told = forms[0].get("StatusCallback")
    assert told == ([f"{public}/v1/callbacks/twilio?notification={message.key}"] if public else None)


async def test_the_reference_is_found_behind_the_longest_body() -> None:
    async with running_sandbox() as running:
        acceptance = await deliver(twilio(running.url), sms(body="字" * 1600))
        assert acceptance.reference is not None
        failure = await refused(twilio(running.url), sms(body="字" * 1601))
    assert (type(failure), failure.code) == (PermanentFailure, "twilio_21617")


async def test_an_api_key_and_a_messaging_service() -> None:
    async with running_sandbox() as running:
        given: dict[str, Any] = {
            "twilio_auth_token": None,
            "twilio_api_key": KEY,
            "twilio_api_secret": "secret",
            "twilio_from": None,
            "twilio_messaging_service_sid": SERVICE,
        }
        await deliver(twilio(running.url, **given), sms())
        [received] = running.sandbox.inbox
    assert received.headers[0] == ("MessagingServiceSid", SERVICE)


async def test_a_mail_stands_in_the_inbox_under_sendgrid_as_its_reader_would_see_it() -> None:
    async with running_sandbox() as running:
        message = mail(subject="Grüße", body="日本語", html="<b>日本語</b>")
        acceptance = await deliver(sendgrid(f"{running.url}/"), message)
        [received] = running.sandbox.inbox
    assert acceptance.reference is not None
    assert len(acceptance.reference) == 22
    assert (received.channel, received.provider) == (Channel.EMAIL, "sendgrid")
    assert (received.recipient, received.subject) == ("ada@example.com", "Grüße")
    assert (received.body, received.html) == ("日本語", "<b>日本語</b>")
    assert received.notification_id == message.key
    assert dict(received.headers)["From"] == "Tidings <notifications@example.com>"


async def test_a_mail_of_several_megabytes_arrives_whole() -> None:
    async with running_sandbox() as running:
        html = "ü" * 400_000
        await deliver(sendgrid(running.url), mail(html=html))
        [received] = running.sandbox.inbox
    assert received.html == html


async def test_without_a_sender_of_its_own_sendgrid_takes_that_of_smtp() -> None:
    async with running_sandbox() as running:
        settings = provider_settings(smtp_from="Else <else@example.com>")
        await deliver(sendgrid(running.url, settings, sendgrid_from=None), mail())
        [received] = running.sandbox.inbox
    assert dict(received.headers)["From"] == "Else <else@example.com>"


ON_PURPOSE = [
    (twilio, sms("+14155550001"), TransientFailure, "twilio_20429"),
    (twilio, sms("+14155550002"), PermanentFailure, "twilio_21211"),
    (twilio, sms("+14155550004"), UnknownOutcome, "no_answer"),
    (sendgrid, mail("temporary-failure@example.com"), TransientFailure, "sendgrid_429"),
    (sendgrid, mail("permanent-failure@example.com"), PermanentFailure, "sendgrid_400_personalizations"),
    (sendgrid, mail("hang@example.com"), UnknownOutcome, "no_answer"),
]


@pytest.mark.parametrize(("build", "message", "kind", "code"), ON_PURPOSE)
async def test_the_sandbox_fails_on_purpose_in_the_vendors_words(
    build: Callable[..., Provider], message: OutgoingMessage, kind: type[SendFailure], code: str
) -> None:
    async with running_sandbox() as running:
        failure = await refused(build(running.url, QUICK), message)
        assert (type(failure), failure.code) == (kind, code)
        assert len(running.sandbox.inbox) == 0
    if isinstance(failure, TransientFailure):
        assert failure.retry_after is not None
        assert failure.retry_after.total_seconds() <= 1


async def test_slow_recipients_get_their_messages_and_counted_failures_end() -> None:
    async with running_sandbox() as running:
        await deliver(twilio(running.url), sms("+14155550003"))
        await deliver(sendgrid(running.url), mail("slow@example.com"))
        message = mail("temporary-failure-1@example.com")
        assert isinstance(await refused(sendgrid(running.url), message), TransientFailure)
        await deliver(sendgrid(running.url), message)
        assert len(running.sandbox.inbox) == 3


async def test_what_is_not_set_up_is_said_and_calls_nobody() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    without = TwilioProvider(provider_settings(), TwilioSettings(_env_file=None, twilio_url=url))
    failure = await refused(without, sms())
    assert (type(failure), failure.code) == (ProviderMisconfigured, "twilio_not_set_up")
    failure = await refused(sendgrid(url, sendgrid_api_key=None), mail())
    assert (type(failure), failure.code) == (ProviderMisconfigured, "sendgrid_not_set_up")


async def test_what_is_no_unicode_text_is_no_sms() -> None:
    failure = await refused(twilio(f"http://127.0.0.1:{free_port()}"), sms(body="\ud800"))
    assert (type(failure), failure.code) == (PermanentFailure, "message_invalid")


@pytest.mark.parametrize(("build", "message"), [(twilio, sms()), (sendgrid, mail())])
async def test_a_line_that_breaks(build: Callable[..., Provider], message: OutgoingMessage) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    failure = await refused(build(f"http://127.0.0.1:{free_port()}"), message)
    assert (type(failure), failure.code) == (TransientFailure, "connect_failed")
    async with serving(hang_up) as port:
        failure = await refused(build(f"http://127.0.0.1:{port}"), message)
    assert (type(failure), failure.code) == (UnknownOutcome, "no_answer")


@pytest.mark.parametrize(
    ("build", "message", "success"),
    [(twilio, sms(), "201 Created"), (sendgrid, mail(), "202 Accepted")],
)
async def test_a_vendors_own_success_is_acceptance_whatever_the_body_says(
    build: Callable[..., Provider], message: OutgoingMessage, success: str
) -> None:
    connections = 0

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.split(b"\r\n")
            length = next(line for line in lines if line.lower().startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
            writer.write(f"HTTP/1.1 {success}\r\nContent-Length: 2\r\n\r\nok".encode())

    async with serving(answering) as port:
        provider = build(f"http://127.0.0.1:{port}")
        for _ in range(3):
            assert (await provider.send(message)).reference is None
        await provider.aclose()
    assert connections == 1


FORM = {"To": "+14155550100", "From": "+14155552345", "Body": "x"}
MAIL = {
    "personalizations": [{"to": [{"email": "a@example.com"}]}],
    "from": {"email": "n@example.com"},
    "subject": "x",
    "content": [{"type": "text/plain", "value": "x"}],
}


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"To": ""}, 400, 21604),
        ({"To": "14155550100"}, 400, 21211),
        ({"From": ""}, 400, 21603),
        ({"Body": ""}, 400, 21619),
        ({"Body": "x" * 1601}, 400, 21617),
    ],
)
async def test_the_sandbox_refuses_what_twilio_refuses(
    change: dict[str, str], status: int, code: int
) -> None:
    async with running_sandbox() as running, aiohttp.ClientSession() as session:
        url = f"{running.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        login = {"Authorization": f"Basic {base64.b64encode(f'{ACCOUNT}:token'.encode()).decode()}"}
        async with session.post(url, data={**FORM, **change}, headers=login) as response:
            assert (response.status, (await response.json())["code"]) == (status, code)
        async with session.post(url, data=FORM) as response:
            assert (response.status, (await response.json())["code"]) == (401, 20003)
        assert len(running.sandbox.inbox) == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{"to": [{"email": "a"}]}]}, "personalizations.0.to.0.email"),
        ({"from": {}}, "from.email"),
        ({"subject": ""}, "subject"),
        ({"content": [{"type": "text/plain", "value": ""}]}, "content.0.value"),
    ],
)
async def test_the_sandbox_refuses_what_sendgrid_refuses(change: dict[str, Any], field: str) -> None:
    async with running_sandbox() as running, aiohttp.ClientSession() as session:
        url, key = f"{running.url}/v3/mail/send", {"Authorization": "Bearer SG.key"}
        async with session.post(url, json={**MAIL, **change}, headers=key) as response:
            [fault] = (await response.json())["errors"]
            assert (response.status, fault["field"]) == (400, field)
        async with session.post(url, json=MAIL) as response:
            assert response.status == 401
        async with session.post(url, data="{}", headers=key) as response:
            assert response.status == 415
        async with session.post(url, json=MAIL, headers=key) as response:
            assert response.status == 202
        assert len(running.sandbox.inbox) == 1
