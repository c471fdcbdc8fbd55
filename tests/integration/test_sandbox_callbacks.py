"""The sandbox's status callbacks, as `twilio` asks for them and as the reader takes them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web

from tests.callbacks import TWILIO_TOKEN, twilio_reader
from tests.http_server import http_server
from tests.provider_support import outgoing, provider_settings, running_sandbox, serving
from tests.support import free_port
from tidings.domain.receipt import Receipt, ReceiptKind, SuppressionReason
from tidings.domain.vocabulary import Channel
from tidings.errors import ForgedCallback
from tidings.providers.callbacks.protocol import CallbackRequest
from tidings.providers.protocol import OutgoingMessage
from tidings.providers.twilio import TwilioProvider, TwilioSettings
from tidings.sandbox.status_callbacks import is_on_this_machine

ACCOUNT = "AC" + "a" * 32


@dataclass
class Receiver:
    """Keeps what was posted to it, whole."""

    url: str
    received: asyncio.Queue[CallbackRequest] = field(default_factory=asyncio.Queue)
    status: int = 204

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        url = f"{self.url}{request.path_qs}"
        self.received.put_nowait(CallbackRequest(url, headers, await request.read()))
        return web.Response(status=self.status)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    port = free_port()
    receiver = Receiver(f"http://127.0.0.1:{port}")
    async with http_server(web.post("/{path:.*}", receiver.take), port=port):
        yield receiver


async def send(
    sandbox_url: str, public_url: str, message: OutgoingMessage, token: str = TWILIO_TOKEN
) -> str | None:
    own = TwilioSettings(
        _env_file=None,
        twilio_url=sandbox_url,
        twilio_account_sid=ACCOUNT,
        twilio_auth_token=token,
        twilio_from="+14155552345",
    )
    provider = TwilioProvider(provider_settings(public_url=public_url), own)
    try:
        return (await provider.send(message)).reference
    finally:
        await provider.aclose()


def sms(recipient: str) -> OutgoingMessage:
    return outgoing(Channel.SMS, recipient, subject=None)


@pytest.mark.parametrize(
    ("ending", "kind", "code", "suppresses"),
    [
        ("0005", ReceiptKind.DELIVERED, None, None),
        ("0006", ReceiptKind.FAILED, "twilio_30003", None),
        ("0007", ReceiptKind.FAILED, "twilio_21610", SuppressionReason.OPT_OUT),
    ],
)
async def test_a_number_gets_its_receipt(
    ending: str, kind: ReceiptKind, code: str | None, suppresses: SuppressionReason | None
) -> None:
    message = sms(f"+1415555{ending}")
    async with receiving() as receiver, running_sandbox() as running:
        reference = await send(running.url, receiver.url, message)
        requests = [await receiver.received.get() for _ in range(2)]
        assert len(running.sandbox.inbox) == 1
    found: list[list[Receipt]] = [
        await twilio_reader().read(request, datetime.now(UTC)) for request in requests
    ]
    assert found[0] == []
    [receipt] = found[1]
    assert (receipt.notification_id, receipt.provider_reference) == (message.notification_id, reference)
    assert (receipt.kind, receipt.suppresses) == (kind, suppresses)
    assert (receipt.error.code if receipt.error else None) == code


async def test_another_token_signs_what_is_not_taken() -> None:
    async with receiving() as receiver, running_sandbox() as running:
        await send(running.url, receiver.url, sms("+14155550005"), token="another")
        request = await receiver.received.get()
    with pytest.raises(ForgedCallback):
        await twilio_reader().read(request, datetime.now(UTC))


async def test_other_numbers_get_none() -> None:
    async with receiving() as receiver, running_sandbox() as running:
        await send(running.url, receiver.url, sms("+14155550100"))
        await send(running.url, receiver.url, sms("+14155550005"))
        message = await receiver.received.get()
        assert b"0005" in message.body


async def test_a_receiver_that_refuses_or_is_not_there_stops_nothing() -> None:
    async with receiving() as receiver, running_sandbox() as running:
        receiver.status = 500
        await send(running.url, f"http://127.0.0.1:{free_port()}", sms("+14155550006"))
        await send(running.url, receiver.url, sms("+14155550007"))
        statuses = [await receiver.received.get() for _ in range(2)]
        assert [b"=sent" in request.body for request in statuses] == [True, False]
        async with aiohttp.request("GET", f"{running.url}/health/live") as response:
            assert response.status == 200


async def test_a_sandbox_that_stops_waits_for_no_receiver() -> None:
    waiting = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        waiting.set()
        await asyncio.Event().wait()

    async with serving(hang) as port, running_sandbox() as running:
        await send(running.url, f"http://127.0.0.1:{port}", sms("+14155550005"))
        await waiting.wait()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/x", "http://127.9.9.9", "https://[::1]/", "http://localhost:1/"]
)
def test_this_machine(url: str) -> None:
    assert is_on_this_machine(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://notify.example.com/",
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "http://0.0.0.0/",
        "http://127.1/",
        "http://2130706433/",
        "http://127.0.0.1@example.com/",
        "http://127.0.0.1.example.com/",
        "http://localhost.example.com/",
        "http://[",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "",
    ],
)
def test_another_machine(url: str) -> None:
    assert not is_on_this_machine(url)
