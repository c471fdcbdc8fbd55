"""`ses` and `sns` against the sandbox by URL alone, and against servers that break the line."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.aws import (
    COMMON_ROWS,
    CREDENTIALS,
    REGION,
    SES_ROWS,
    SNS_ROWS,
    ses,
    sns,
    without_aws,
)
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

try:
    import aiobotocore.session  # noqa: F401
except ImportError:
    AWS = False
else:
    AWS = True

aws = pytest.mark.skipif(not AWS, reason="aiobotocore (extra `aws`) is not installed")
QUICK = provider_settings(provider_connect_timeout=2, provider_response_timeout=0.2)


BOTH = pytest.mark.parametrize(("build", "message"), [(ses, mail()), (sns, sms())])


@asynccontextmanager
async def answering(*answers: str) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that gives these answers in turn, the last one for ever; its URL and what it was asked."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.lower().split(b"\r\n")
            length = next(line for line in lines if line.startswith(b"content-length"))
            asked.append(head + await reader.readexactly(int(length.split(b":")[1])))
            writer.write(answers[min(len(asked), len(answers)) - 1].encode())

    async with serving(answer) as port:
        yield f"http://127.0.0.1:{port}", asked


def http(status: int, content: str = "", *headers: str) -> str:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(content.encode())}", *headers]
    return "\r\n".join([*lines, "", content])


@aws
async def test_a_mail_stands_in_the_inbox_under_ses_as_its_reader_would_see_it() -> None:
    async with running_sandbox() as running:
        message = mail(subject="Grüße", body="日本語", html="<b>日本語</b>")
        acceptance = await deliver(ses(f"{running.url}/"), message)
        [received] = running.sandbox.inbox
    assert acceptance.reference is not None
    assert (received.channel, received.provider) == (Channel.EMAIL, "ses")
    assert (received.recipient, received.subject) == ("ada@example.com", "Grüße")
    assert (received.body, received.html) == ("日本語", "<b>日本語</b>")
    assert received.notification_id == message.key
    headers = dict(received.headers)
    assert headers["From"] == "Tidings <notifications@example.com>"
    assert headers["Message-ID"] == f"<{message.key}@example.com>"


@aws
async def test_an_sms_stands_in_the_inbox_under_sns() -> None:
    async with running_sandbox() as running:
        message = sms(body="Kód 7 & 8 = 📦+\nend")
        given: dict[str, Any] = {
            "sns_sender_id": "Tidings",
            "sns_origination_number": "+14155552345",
            "aws_session_token": "session",
        }
        acceptance = await deliver(sns(running.url, **given), message)
        [received] = running.sandbox.inbox
    assert acceptance.reference is not None
    assert (received.channel, received.provider) == (Channel.SMS, "sns")
    assert (received.recipient, received.body) == (message.recipient, "Kód 7 & 8 = 📦+\nend")
    assert (received.subject, received.notification_id) == (None, message.key)
    assert received.headers[:3] == [
        ("AWS.SNS.SMS.SMSType", "Transactional"),
        ("AWS.SNS.SMS.SenderID", "Tidings"),
        ("AWS.MM.SMS.OriginationNumber", "+14155552345"),
    ]
    assert not {"authorization", "x-amz-security-token"} & {name.lower() for name, _ in received.headers}


@aws
async def test_every_attempt_sends_the_same_mail() -> None:
    async with answering(http(500), http(200, '{"MessageId": "7"}')) as (url, asked):
        provider = ses(url, ses_configuration_set="ours")
        message = mail(html="<p>x</p>")
        with pytest.raises(UnknownOutcome):
            await provider.send(message)
        assert (await provider.send(message)).reference == "7"
        await provider.aclose()
    first, second = (request.partition(b"\r\n\r\n")[2] for request in asked)
    assert first == second
    assert b'"ConfigurationSetName": "ours"' in first
    assert f'"Value": "{message.key}"'.encode() in first


@aws
async def test_a_mail_of_several_megabytes_arrives_whole() -> None:
    async with running_sandbox() as running:
        html = "ü" * 400_000
        await deliver(ses(running.url), mail(html=html))
        [received] = running.sandbox.inbox
    assert received.html == html


@aws
async def test_without_a_sender_of_its_own_ses_takes_that_of_smtp() -> None:
    async with running_sandbox() as running:
        settings = provider_settings(smtp_from="Else <else@example.com>")
        await deliver(ses(running.url, settings, ses_from=None), mail())
        [received] = running.sandbox.inbox
    assert dict(received.headers)["From"] == "Else <else@example.com>"


@aws
@pytest.mark.parametrize(
    ("build", "message", "kind", "code"),
    [
        (ses, mail("temporary-failure@example.com"), TransientFailure, "ses_TooManyRequestsException"),
        (ses, mail("permanent-failure@example.com"), PermanentFailure, "ses_BadRequestException"),
        (ses, mail("hang@example.com"), UnknownOutcome, "no_answer"),
        (sns, sms("+14155550001"), TransientFailure, "sns_Throttled"),
        (sns, sms("+14155550002"), PermanentFailure, "sns_InvalidParameter"),
        (sns, sms("+14155550004"), UnknownOutcome, "no_answer"),
        (sns, sms(body="x" * 1601), PermanentFailure, "sns_InvalidParameter"),
    ],
)
async def test_the_sandbox_fails_on_purpose_in_amazons_words(
    build: Callable[..., Provider], message: OutgoingMessage, kind: type[SendFailure], code: str
) -> None:
    async with running_sandbox() as running:
        failure = await refused(build(running.url, QUICK), message)
        assert (type(failure), failure.code) == (kind, code)
        assert len(running.sandbox.inbox) == 0


@aws
async def test_slow_recipients_get_their_messages_and_counted_failures_end() -> None:
    async with running_sandbox() as running:
        await deliver(sns(running.url), sms("+14155550003"))
        await deliver(ses(running.url), mail("slow@example.com"))
        message = mail("temporary-failure-1@example.com")
        assert isinstance(await refused(ses(running.url), message), TransientFailure)
        await deliver(ses(running.url), message)
        assert len(running.sandbox.inbox) == 3


@aws
async def test_every_row_comes_over_the_wire() -> None:
    rows = COMMON_ROWS + SES_ROWS
    answers = [
        http(status, '{"message": "Said so."}', f"x-amzn-ErrorType: {code}:") for code, status, _ in rows
    ]
    async with answering(*answers) as (url, asked):
        provider = ses(url)
        for code, _, kind in rows:
            with pytest.raises(SendFailure) as raised:
                await provider.send(mail())
            assert (type(raised.value), raised.value.code) == (kind, f"ses_{code}")
        await provider.aclose()
        assert len(asked) == len(rows)
    rows = COMMON_ROWS + SNS_ROWS
    answers = [
        http(
            status,
            f"<ErrorResponse><Error><Code>{code}</Code><Message>So.</Message></Error></ErrorResponse>",
            "Content-Type: text/xml",
        )
        for code, status, _ in rows
    ]
    async with answering(*answers) as (url, asked):
        provider = sns(url)
        for code, _, kind in rows:
            with pytest.raises(SendFailure) as raised:
                await provider.send(sms())
            assert (type(raised.value), raised.value.code) == (kind, f"sns_{code}")
        await provider.aclose()
        assert len(asked) == len(rows)


@aws
@BOTH
async def test_a_line_that_breaks(build: Callable[..., Provider], message: OutgoingMessage) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    failure = await refused(build(f"http://127.0.0.1:{free_port()}"), message)
    assert (type(failure), failure.code) == (TransientFailure, "connect_failed")
    async with serving(hang_up) as port:
        failure = await refused(build(f"http://127.0.0.1:{port}"), message)
    assert (type(failure), failure.code) == (UnknownOutcome, "no_answer")


@aws
@BOTH
async def test_what_is_no_answer_of_amazons_is_never_sent_on_or_again(
    build: Callable[..., Provider], message: OutgoingMessage
) -> None:
    for status, kind in (
        (201, UnknownOutcome),
        (307, ProviderMisconfigured),
        (403, ProviderMisconfigured),
        (404, ProviderMisconfigured),
        (502, UnknownOutcome),
        (503, TransientFailure),
    ):
        contents = ("sorry <br>", "[1]")
        answers = [http(status, content, "Location: /elsewhere") for content in contents]
        async with answering(*answers) as (url, asked):
            provider = build(url)
            for _ in contents:
                with pytest.raises(SendFailure) as raised:
                    await provider.send(message)
                assert (type(raised.value), raised.value.code) == (kind, f"http_{status}")
            await provider.aclose()
            assert len(asked) == len(contents)


@aws
@BOTH
async def test_amazons_own_success_is_acceptance_whatever_the_body_says(
    build: Callable[..., Provider], message: OutgoingMessage
) -> None:
    for content in ("", "ok", "<br>", "null", "[1]", "{}"):
        async with answering(http(200, content)) as (url, _):
            assert (await deliver(build(url), message)).reference is None


@aws
@BOTH
async def test_connections_are_used_again_and_many_sends_open_one_client(
    build: Callable[..., Provider], message: OutgoingMessage
) -> None:
    async with running_sandbox() as running:
        provider = build(running.url)
        accepted = await asyncio.gather(*(provider.send(message) for _ in range(20)))
        assert len({acceptance.reference for acceptance in accepted}) == 20
        assert len(running.sandbox.inbox) == 20
        # Closed, it opens again.
        await provider.aclose()
        await deliver(provider, message)
        await provider.aclose()


@aws
@BOTH
async def test_credentials_and_region_are_found_where_amazons_tools_look(
    build: Callable[..., Provider], message: OutgoingMessage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_aws(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    async with answering(http(503)) as (url, asked):
        provider = build(url, aws_region=None, aws_access_key_id=None, aws_secret_access_key=None)
        await refused(provider, message)
        assert b"Credential=AKIDOTHER/" in asked[0]
        assert b"/eu-north-1/" in asked[0]
        await refused(build(url, **REGION, **CREDENTIALS), message)
        assert b"Credential=AKIDEXAMPLE/" in asked[1]
        assert b"/eu-west-1/" in asked[1]


@aws
@BOTH
async def test_what_is_not_set_up_is_said_and_calls_nobody(
    build: Callable[..., Provider], message: OutgoingMessage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_aws(monkeypatch, tmp_path)
    url = f"http://127.0.0.1:{free_port()}"
    provider = build(url, aws_access_key_id=None, aws_secret_access_key=None)
    for _ in range(2):
        with pytest.raises(ProviderMisconfigured, match="TIDINGS_AWS_ACCESS_KEY_ID is not set") as raised:
            await provider.send(message)
        assert raised.value.code == f"{provider.name}_not_set_up"
    await provider.aclose()
    failure = await refused(build(url, aws_region=None), message)
    assert (type(failure), failure.code) == (ProviderMisconfigured, f"{provider.name}_not_set_up")
    assert failure.message == "TIDINGS_AWS_REGION is not set"
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert (await refused(build(url), message)).code == f"{provider.name}_not_set_up"


@aws
@BOTH
async def test_credentials_that_do_not_come_are_a_passing_cause(
    build: Callable[..., Provider], message: OutgoingMessage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def hang(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    without_aws(monkeypatch, tmp_path)
    without = {"aws_access_key_id": None, "aws_secret_access_key": None}
    async with serving(hang) as port:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{port}/")
        settings = provider_settings(provider_connect_timeout=0.5)
        failure = await refused(build(None, settings, **without), message)
    assert (type(failure), failure.code) == (TransientFailure, "credentials_unavailable")
    settings = provider_settings(provider_connect_timeout=10)
    failure = await refused(build(None, settings, **without), message)
    assert (type(failure), failure.code) == (TransientFailure, "credentials_unavailable")


@BOTH
async def test_without_the_extra_it_is_said(
    build: Callable[..., Provider], message: OutgoingMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiobotocore.session", None)
    provider = build(f"http://127.0.0.1:{free_port()}")
    failure = await refused(provider, message)
    assert (type(failure), failure.code) == (ProviderMisconfigured, f"{provider.name}_not_set_up")
    assert "tidings[aws]" in failure.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "Destination"),
        ('{"Destination": {"ToAddresses": []}, "Content": {"Raw": {"Data": "eA=="}}}', "ToAddresses"),
        ('{"Destination": {"ToAddresses": ["a"]}, "Content": {"Raw": {"Data": "eA=="}}}', "ToAddresses.0"),
        ('{"Destination": {"ToAddresses": ["a@b.c"]}, "Content": {"Raw": {"Data": "?"}}}', "base64"),
        ('{"Destination": {"ToAddresses": ["a@b.c"]}, "Content": {"Simple": {}}}', "Content.Raw"),
    ],
)
async def test_the_sandbox_refuses_what_ses_refuses(content: str, said: str) -> None:
    async with running_sandbox() as running, aiohttp.ClientSession() as session:
        url = f"{running.url}/v2/email/outbound-emails"
        signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=x"}
        async with session.post(url, data=content, headers=signed) as response:
            assert (response.status, response.headers["x-amzn-ErrorType"]) == (400, "BadRequestException")
            assert said in (await response.json())["message"]
        async with session.post(url, data=content) as response:
            assert response.status == 403
        assert len(running.sandbox.inbox) == 0


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"Action": "Subscribe"}, "InvalidAction"),
        ({"Action": "Publish", "Message": "x"}, "InvalidParameter"),
        ({"Action": "Publish", "PhoneNumber": "<1>", "Message": "x"}, "InvalidParameter"),
        ({"Action": "Publish", "PhoneNumber": "+14155550100"}, "InvalidParameter"),
    ],
)
async def test_the_sandbox_refuses_what_sns_refuses(form: dict[str, str], code: str) -> None:
    async with running_sandbox() as running, aiohttp.ClientSession() as session:
        signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=x"}
        async with session.post(running.url, data=form, headers=signed) as response:
            text = await response.text()
            assert (response.status, response.content_type) == (400, "text/xml")
            assert f"<Code>{code}</Code>" in text
            assert "<1>" not in text
        async with session.post(running.url, data=form) as response:
            assert response.status == 403
        assert len(running.sandbox.inbox) == 0
