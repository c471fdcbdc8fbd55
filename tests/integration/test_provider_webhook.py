"""`webhook` against the real sandbox, and against raw servers that break the line."""

import asyncio
from typing import Any

import pytest
from standardwebhooks import Webhook

import tidings
from tests.delivering import deliver
from tests.provider_support import Handler, outgoing, provider_settings, running_sandbox, serving
from tests.support import eventually, free_port
from tidings.domain.vocabulary import Channel
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.protocol import Acceptance
from tidings.providers.webhook import WebhookProvider

LOOPBACK = "127.0.0.0/8,::1/128"
SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "A" * 32]


async def call(url: str, **settings: Any) -> Acceptance:
    provider = WebhookProvider(provider_settings(webhook_allowed_networks=LOOPBACK, **settings))
    return await deliver(provider, outgoing(Channel.WEBHOOK, url))


async def failure(handler: Handler, **settings: Any) -> SendFailure:
    async with serving(handler) as port:
        with pytest.raises(SendFailure) as raised:
            await call(f"http://127.0.0.1:{port}/hook", **settings)
    return raised.value


def answering(answer: str) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        await reader.readexactly(int(length.split(b":")[1]))
        writer.write(answer.replace("\n", "\r\n").encode())
        await writer.drain()
        await reader.read()

    return handler


async def hanging_up_unread(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_the_receiver_gets_a_notification_it_can_verify() -> None:
    async with running_sandbox() as running:
        message = outgoing(
            Channel.WEBHOOK,
            f"{running.url}/hooks/orders",
            subject="Grüße",
            body="日本語",
            metadata={"order": 7, "new": True},
            tags=["a"],
        )
        settings = provider_settings(webhook_allowed_networks=LOOPBACK, webhook_secret=" ".join(SECRETS))
        await deliver(WebhookProvider(settings), message)
        [hook] = running.sandbox.inbox
    headers = dict(hook.headers)
    for secret in SECRETS:
        assert Webhook(secret).verify(hook.body, headers) == {
            "type": "notification",
            "timestamp": "2026-03-04T05:06:07Z",
            "data": {
                "id": message.key,
                "subject": "Grüße",
                "body": "日本語",
                "metadata": {"order": 7, "new": True},
                "tags": ["a"],
            },
        }
    assert headers["webhook-id"] == message.key == hook.notification_id
    assert headers["User-Agent"] == f"Tidings/{tidings.__version__}"
    assert hook.recipient == message.recipient


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("503 Service Unavailable", TransientFailure),
        ("429 Too Many Requests", TransientFailure),
        ("401 Unauthorized", ProviderMisconfigured),
        ("404 Not Found", PermanentFailure),
        ("302 Found\nLocation: http://127.0.0.1:1/", PermanentFailure),
        ("307 Temporary Redirect\nLocation: http://127.0.0.1:1/", PermanentFailure),
    ],
)
async def test_the_status_decides_and_no_redirect_is_followed(status: str, kind: type[SendFailure]) -> None:
    error = await failure(answering(f"HTTP/1.1 {status}\nContent-Length: 5\n\nsorry"))
    assert (type(error), error.code) == (kind, f"http_{status[:3]}")
    assert error.message.endswith("sorry")


async def test_an_endpoint_that_is_gone_is_reported_as_gone() -> None:
    error = await failure(answering("HTTP/1.1 410 Gone\nContent-Length: 3\n\nbye"))
    assert isinstance(error, PermanentFailure)
    assert (error.code, error.message, error.suppresses) == ("webhook_gone", "HTTP 410 Gone: bye", "gone")


LONG = "é" * 700


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"", ""),
        (b'{"ok": true}', '{"ok": true}'),
        (b"\x00\xff", "\x00\N{REPLACEMENT CHARACTER}"),
        (LONG.encode(), "é" * 512),
        (b"x" + LONG.encode(), "x" + "é" * 511 + "\N{REPLACEMENT CHARACTER}"),
    ],
)
@pytest.mark.parametrize("status", [200, 202, 404, 410, 503])
async def test_the_beginning_of_the_answer_is_kept_accepted_or_not(
    status: int, body: bytes, kept: str
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await reader.read()

    response: str | None
    if status < 300:
        async with serving(answer) as port:
            response = (await call(f"http://127.0.0.1:{port}/")).response
    else:
        response = (await failure(answer)).response
    assert response == kept


async def test_retry_after_is_honoured() -> None:
    error = await failure(answering("HTTP/1.1 503 X\nRetry-After: 7\nContent-Length: 0\n\n"))
    assert isinstance(error, TransientFailure)
    assert error.retry_after is not None
    assert error.retry_after.total_seconds() == 7


async def test_a_status_counts_even_if_the_body_never_ends() -> None:
    endless = answering("HTTP/1.1 410 Gone\nContent-Length: 500\n\ngone fo")
    error = await failure(endless)
    assert (type(error), error.message) == (PermanentFailure, "HTTP 410 Gone: gone fo")


async def test_a_huge_answer_is_not_read() -> None:
    error = await failure(answering(f"HTTP/1.1 400 Bad\nContent-Length: 5000000\n\n{'x' * 5_000_000}"))
    assert error.code == "http_400"
    assert len(error.message) == 500


async def test_nobody_listens() -> None:
    with pytest.raises(TransientFailure) as raised:
        await call(f"http://127.0.0.1:{free_port()}/")
    assert raised.value.code == "connect_failed"


async def test_a_server_that_speaks_no_tls_is_passing() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with serving(plain) as port:
        with pytest.raises(TransientFailure) as raised:
            await call(f"https://127.0.0.1:{port}/")
    assert raised.value.code == "tls_failed"


@pytest.mark.parametrize("handler", [hanging_up_unread, silent, answering("SSH-2.0-what\n\n")])
async def test_without_an_answer_after_the_connection_nobody_can_know(handler: Handler) -> None:
    error = await failure(handler, provider_connect_timeout=0.2, provider_response_timeout=0.2)
    assert (type(error), error.code) == (UnknownOutcome, "no_answer")


async def test_a_connection_is_used_again() -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    provider = WebhookProvider(provider_settings(webhook_allowed_networks=LOOPBACK))
    async with serving(handler) as port:
        for _ in range(3):
            await provider.send(outgoing(Channel.WEBHOOK, f"http://127.0.0.1:{port}/"))
        await provider.aclose()
    assert connections == 1


async def test_proxy_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    async with running_sandbox() as running:
        await call(f"{running.url}/hooks/a")
        assert len(running.sandbox.inbox) == 1


async def test_loopback_is_refused_unless_allowed() -> None:
    async with running_sandbox() as running:
        provider = WebhookProvider(provider_settings())
        for host in ("127.0.0.1", "localhost"):
            url = f"{running.url}/hooks/a".replace("127.0.0.1", host)
            with pytest.raises(PermanentFailure) as raised:
                await provider.send(outgoing(Channel.WEBHOOK, url))
            assert raised.value.code == "target_refused"
        await provider.aclose()
        assert len(running.sandbox.inbox) == 0


async def test_a_cancelled_call_ends_at_once() -> None:
    arrived = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()

    async with serving(handler) as port:
        calling = asyncio.create_task(call(f"http://127.0.0.1:{port}/"))
        await eventually(arrived.is_set)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
