"""`apns` against the real sandbox, and against servers that break the line as HTTP/2 can."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.http2_server import Act, ScriptedHttp2, answer, go_away, reset, silence
from tests.provider_support import (
    certificate,
    outgoing,
    provider_settings,
    running_sandbox,
    serving,
)
from tests.push_keys import KEY_ID, TEAM, TOPIC, apns_settings, elliptic_key
from tests.support import eventually, free_port
from tidings.domain.vocabulary import Channel
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.apns import ApnsProvider
from tidings.providers.protocol import OutgoingMessage

SHORT: dict[str, Any] = {"provider_connect_timeout": 0.5, "provider_response_timeout": 0.5}


@asynccontextmanager
async def provider(
    url: str, options: dict[str, Any] | None = None, **given: Any
) -> AsyncIterator[ApnsProvider]:
    made = ApnsProvider(provider_settings(**given), apns_settings(url), **(options or {}))
    try:
        yield made
    finally:
        await made.aclose()


async def refused(made: ApnsProvider, message: OutgoingMessage | None = None) -> SendFailure:
    with pytest.raises(SendFailure) as raised:
        await made.send(message or outgoing(Channel.PUSH, "abcdef0123456789"))
    return raised.value


async def test_the_sandbox_shows_what_was_sent() -> None:
    jwt = pytest.importorskip("jwt")
    async with running_sandbox() as running, provider(running.url) as apns:
        message = outgoing(Channel.PUSH, "a:b/c+d", subject="Größe", body="Kód 7 📦", metadata={"order": 7})
        acceptance = await apns.send(message)
        [push] = running.sandbox.inbox
        token = await apns._tokens.get() if apns._tokens else ""
    assert acceptance.reference == message.key
    assert (push.channel, push.provider, push.recipient) == (Channel.PUSH, "apns", "a:b/c+d")
    assert (push.subject, push.body, push.notification_id) == ("Größe", "Kód 7 📦", message.key)
    shown = dict(push.headers)
    assert json.loads(shown["payload"])["order"] == 7
    assert shown["apns-topic"] == TOPIC
    assert "authorization" not in shown
    assert jwt.decode(token, elliptic_key()[1], algorithms=["ES256"])["iss"] == TEAM
    assert jwt.get_unverified_header(token)["kid"] == KEY_ID


@pytest.mark.parametrize(
    ("word", "kind", "code"),
    [
        ("temporary-failure", TransientFailure, "apns_ServiceUnavailable"),
        ("permanent-failure", PermanentFailure, "apns_Unregistered"),
        ("hang-forever", UnknownOutcome, "no_answer"),
    ],
)
async def test_the_sandbox_fails_on_purpose(word: str, kind: type[SendFailure], code: str) -> None:
    async with running_sandbox() as running, provider(running.url, **SHORT) as apns:
        error = await refused(apns, outgoing(Channel.PUSH, word))
        assert (type(error), error.code) == (kind, code)
        if isinstance(error, TransientFailure):
            assert error.retry_after is not None
        assert len(running.sandbox.inbox) == 0


async def test_the_sandbox_refuses_what_apns_refuses() -> None:
    async with running_sandbox() as running, provider(running.url) as apns:
        error = await refused(apns, outgoing(Channel.PUSH, "device-token", body="x" * 5000))
    assert (type(error), error.code) == (PermanentFailure, "apns_PayloadTooLarge")


async def test_two_hundred_at_once_share_one_connection_and_one_token() -> None:
    server = ScriptedHttp2([answer(200)])
    async with serving(server.handler) as port, provider(f"http://127.0.0.1:{port}") as apns:
        await apns.send(outgoing(Channel.PUSH, "abcdef0123456789"))
        assert apns._tokens is not None
        token = await apns._tokens.get()
        await asyncio.gather(*(apns.send(outgoing(Channel.PUSH, f"token-{i:04}")) for i in range(200)))
        assert await apns._tokens.get() == token
    assert server.connections == 1
    assert len(server.streams) == 201


async def test_a_token_is_used_for_forty_minutes() -> None:
    now = [time.time()]
    async with running_sandbox() as running, provider(running.url, {"clock": lambda: now[0]}) as apns:
        assert apns._tokens is not None
        await apns.send(outgoing(Channel.PUSH, "device-token"))
        first = await apns._tokens.get()
        now[0] += 2399
        assert await apns._tokens.get() == first
        now[0] += 1
        await apns.send(outgoing(Channel.PUSH, "device-token"))
        assert await apns._tokens.get() != first


async def test_an_expired_token_is_renewed_but_not_within_twenty_minutes() -> None:
    now = [time.time() - 4000]
    async with running_sandbox() as running, provider(running.url, {"clock": lambda: now[0]}) as apns:
        # New and expired: it is the clock that is wrong.
        error = await refused(apns)
        assert (type(error), error.code) == (ProviderMisconfigured, "apns_ExpiredProviderToken")
        now[0] += 1300
        error = await refused(apns)
        assert (type(error), error.code) == (TransientFailure, "apns_ExpiredProviderToken")
        await apns.send(outgoing(Channel.PUSH, "device-token"))
        assert len(running.sandbox.inbox) == 1


@pytest.mark.parametrize(
    ("act", "closes", "kind", "code"),
    [
        (reset(7), False, TransientFailure, "stream_refused"),
        (go_away(0), True, TransientFailure, "stream_refused"),
        (reset(2), False, UnknownOutcome, "no_answer"),
        (reset(8), False, UnknownOutcome, "no_answer"),
        (go_away(1), True, UnknownOutcome, "no_answer"),
        (silence, True, UnknownOutcome, "no_answer"),
        (silence, False, UnknownOutcome, "no_answer"),
        (answer(410, b'{"reason": "Unregistered"}'), False, PermanentFailure, "apns_Unregistered"),
        (answer(503), True, TransientFailure, "http_503"),
    ],
)
async def test_a_broken_line_says_whether_the_message_may_be_out(
    act: Act, closes: bool, kind: type[SendFailure], code: str
) -> None:
    server = ScriptedHttp2([act], closes=closes)
    async with serving(server.handler) as port, provider(f"http://127.0.0.1:{port}", **SHORT) as apns:
        error = await refused(apns)
    assert (type(error), error.code) == (kind, code)
    assert len(server.streams) == 1


async def test_a_status_counts_even_if_the_body_never_ends() -> None:
    server = ScriptedHttp2([answer(410, b'{"reason"', ends=False)])
    async with serving(server.handler) as port, provider(f"http://127.0.0.1:{port}") as apns:
        error = await refused(apns)
    assert (type(error), error.code) == (PermanentFailure, "http_410")


async def test_after_a_goodbye_the_next_message_takes_a_new_connection() -> None:
    server = ScriptedHttp2([go_away(0), answer(200)])
    async with serving(server.handler) as port, provider(f"http://127.0.0.1:{port}") as apns:
        assert isinstance(await refused(apns), TransientFailure)
        await apns.send(outgoing(Channel.PUSH, "abcdef0123456789"))
    assert server.connections == 2


async def test_a_message_that_is_given_up_on_harms_no_other_on_its_connection() -> None:
    server = ScriptedHttp2([silence, answer(200)])
    async with serving(server.handler) as port, provider(f"http://127.0.0.1:{port}") as apns:
        given_up = asyncio.create_task(apns.send(outgoing(Channel.PUSH, "abcdef0123456789")))
        await eventually(lambda: server.streams)
        given_up.cancel()
        await asyncio.wait([given_up])
        await asyncio.gather(*(apns.send(outgoing(Channel.PUSH, f"token-{i:04}")) for i in range(20)))
    assert given_up.cancelled()
    assert (server.connections, len(server.streams)) == (1, 21)


def answer_and_go(connection: Any, stream: int) -> None:
    answer(200)(connection, stream)
    go_away(stream)(connection, stream)


@pytest.mark.parametrize("act", [answer(200), answer_and_go])
async def test_a_connection_that_was_closed_while_idle_is_not_used_again(act: Act) -> None:
    server = ScriptedHttp2([act], closes=True)

    def closed(times: int) -> bool:
        return server.closed == times

    async with serving(server.handler) as port, provider(f"http://127.0.0.1:{port}") as apns:
        for sent in (1, 2, 3):
            await apns.send(outgoing(Channel.PUSH, "abcdef0123456789"))
            await eventually(partial(closed, sent))
    assert server.connections == 3


async def test_nobody_listens() -> None:
    async with provider(f"http://127.0.0.1:{free_port()}") as apns:
        error = await refused(apns)
    assert (type(error), error.code) == (TransientFailure, "connect_failed")


async def test_over_tls_http2_is_agreed_on_and_the_certificate_checked(tmp_path: Path) -> None:
    server_tls, file = certificate(tmp_path)
    server_tls.set_alpn_protocols(["h2"])
    server = ScriptedHttp2([answer(200)])
    async with serving(server.handler, server_tls) as port:
        url = f"https://127.0.0.1:{port}"
        trusting = ssl.create_default_context(cafile=str(file))
        async with provider(url, {"tls": trusting}) as apns:
            await apns.send(outgoing(Channel.PUSH, "abcdef0123456789"))
        async with provider(url) as apns:
            error = await refused(apns)
    assert (type(error), error.code) == (ProviderMisconfigured, "tls_certificate")
    assert len(server.streams) == 1


async def test_a_url_that_cannot_be_called() -> None:
    async with provider("ftp://127.0.0.1") as apns:
        error = await refused(apns)
    assert (type(error), error.code) == (PermanentFailure, "target_invalid")


async def test_the_sandbox_hangs_up_on_what_is_no_http2_and_goes_on() -> None:
    apns_settings()
    async with running_sandbox() as running, provider(running.url) as apns:
        port = int(running.url.rpartition(":")[2])
        for nonsense in (b"PRI nonsense\r\n\r\n" + b"x" * 100, b"P", b"PR", b""):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(nonsense)
            if len(nonsense) > 2:
                await reader.read()
            writer.close()
            await writer.wait_closed()
        await apns.send(outgoing(Channel.PUSH, "device-token"))
        assert len(running.sandbox.inbox) == 1
