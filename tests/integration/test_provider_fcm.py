"""`fcm` against the real sandbox, and against a Google that answers as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web

from tests.http_server import http_server
from tests.provider_support import outgoing, provider_settings, running_sandbox, serving
from tests.push_keys import EMAIL, PROJECT, fcm_settings, rsa_key
from tests.support import eventually, free_port
from tidings.domain.vocabulary import Channel
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.fcm import FcmProvider
from tidings.providers.fcm_token import TOKEN_ERRORS
from tidings.providers.protocol import Acceptance, OutgoingMessage

SHORT: dict[str, Any] = {"provider_connect_timeout": 0.5, "provider_response_timeout": 0.5}
NOBODY = {"code": 401, "message": "Invalid credentials.", "status": "UNAUTHENTICATED"}


@dataclass
class Google:
    """Issues token-1, token-2, …; takes messages with the tokens in `good`, all of them at first."""

    url: str = ""
    expires_in: Any = 3599
    token_answer: web.Response | None = None
    assertions: list[str] = field(default_factory=list)
    messages: list[tuple[str, Any]] = field(default_factory=list)
    good: Callable[[str], bool] = lambda token: True
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def token(self, request: web.Request) -> web.Response:
        form = parse_qs(await request.text())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        self.assertions += form["assertion"]
        number = len(self.assertions)
        await self.gate.wait()
        if self.token_answer is not None:
            return self.token_answer
        return web.json_response({"access_token": f"token-{number}", "expires_in": self.expires_in})

    async def send(self, request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        if not self.good(token):
            return web.json_response({"error": NOBODY}, status=401)
        self.messages.append((token, await request.json()))
        return web.json_response({"name": f"projects/{request.match_info['project']}/messages/1"})


@asynccontextmanager
async def google() -> AsyncIterator[Google]:
    fake = Google()
    fake.gate.set()
    sends = web.post("/v1/projects/{project}/messages:send", fake.send)
    async with http_server(web.post("/token", fake.token), sends) as fake.url:
        yield fake


@asynccontextmanager
async def provider(
    url: str, clock: Callable[[], float] | None = None, **given: Any
) -> AsyncIterator[FcmProvider]:
    clocks = {} if clock is None else {"clock": clock}
    made = FcmProvider(provider_settings(**given), fcm_settings(url), **clocks)
    try:
        yield made
    finally:
        await made.aclose()


async def send(made: FcmProvider, **given: Any) -> Acceptance:
    return await made.send(outgoing(Channel.PUSH, "device-token", **given))


async def refused(made: FcmProvider, message: OutgoingMessage | None = None) -> SendFailure:
    with pytest.raises(SendFailure) as raised:
        await made.send(message or outgoing(Channel.PUSH, "device-token"))
    return raised.value


async def test_the_sandbox_shows_what_was_sent() -> None:
    async with running_sandbox() as running, provider(f"{running.url}/fcm") as fcm:
        message = outgoing(
            Channel.PUSH, "device-token", subject="Größe", body="Kód 7 📦", metadata={"order": 7}
        )
        acceptance = await fcm.send(message)
        [push] = running.sandbox.inbox
    assert acceptance.reference is not None
    assert acceptance.reference.startswith(f"projects/{PROJECT}/messages/")
    assert (push.channel, push.provider, push.recipient) == (Channel.PUSH, "fcm", "device-token")
    assert (push.subject, push.body, push.notification_id) == ("Größe", "Kód 7 📦", message.key)
    shown = dict(push.headers)
    assert json.loads(shown["data"])["order"] == "7"
    assert "Authorization" not in shown


@pytest.mark.parametrize(
    ("word", "kind", "code"),
    [
        ("temporary-failure", TransientFailure, "fcm_UNAVAILABLE"),
        ("permanent-failure", PermanentFailure, "fcm_UNREGISTERED"),
        ("hang-forever", UnknownOutcome, "no_answer"),
    ],
)
async def test_the_sandbox_fails_on_purpose(word: str, kind: type[SendFailure], code: str) -> None:
    async with running_sandbox() as running, provider(f"{running.url}/fcm", **SHORT) as fcm:
        error = await refused(fcm, outgoing(Channel.PUSH, word))
        assert (type(error), error.code) == (kind, code)
        if isinstance(error, TransientFailure):
            assert error.retry_after is not None
        assert len(running.sandbox.inbox) == 0


async def test_slow_ones_and_those_that_fail_twice_arrive() -> None:
    async with running_sandbox() as running, provider(f"{running.url}/fcm") as fcm:
        await fcm.send(outgoing(Channel.PUSH, "slow-one"))
        message = outgoing(Channel.PUSH, "temporary-failure-2-x")
        for _ in range(2):
            assert isinstance(await refused(fcm, message), TransientFailure)
        await fcm.send(message)
        assert [push.recipient for push in running.sandbox.inbox] == ["temporary-failure-2-x", "slow-one"]


@pytest.mark.parametrize(
    "given",
    [
        {"metadata": {"from": "me"}},
        {"metadata": {"google.x": "y"}},
        {"body": "x" * 5000},
    ],
)
async def test_the_sandbox_refuses_what_fcm_refuses(given: dict[str, Any]) -> None:
    async with running_sandbox() as running, provider(f"{running.url}/fcm") as fcm:
        error = await refused(fcm, outgoing(Channel.PUSH, "device-token", **given))
    assert (type(error), error.code) == (PermanentFailure, "fcm_INVALID_ARGUMENT")


async def test_the_assertion_is_what_google_asks_for() -> None:
    jwt = pytest.importorskip("jwt")
    async with google() as fake, provider(fake.url) as fcm:
        await send(fcm)
    [assertion] = fake.assertions
    claims = jwt.decode(assertion, rsa_key()[1], algorithms=["RS256"], audience=f"{fake.url}/token")
    assert jwt.get_unverified_header(assertion) == {"alg": "RS256", "kid": "abc123", "typ": "JWT"}
    assert (claims["iss"], claims["scope"]) == (EMAIL, "https://www.googleapis.com/auth/firebase.messaging")
    assert claims["exp"] - claims["iat"] == 3600


async def test_a_hundred_sends_at_once_fetch_one_token() -> None:
    async with google() as fake, provider(fake.url) as fcm:
        fake.gate.clear()
        sends = [asyncio.create_task(send(fcm)) for _ in range(100)]
        await eventually(lambda: fake.assertions)
        fake.gate.set()
        await asyncio.gather(*sends)
    assert len(fake.assertions) == 1
    assert [token for token, _ in fake.messages] == ["token-1"] * 100


async def test_a_token_is_renewed_five_minutes_before_it_ends() -> None:
    now = [2_000_000_000.0]
    async with google() as fake, provider(fake.url, lambda: now[0]) as fcm:
        await send(fcm)
        now[0] += 3298
        await send(fcm)
        now[0] += 1
        await asyncio.gather(*(send(fcm) for _ in range(20)))
    assert [token for token, _ in fake.messages] == ["token-1"] * 2 + ["token-2"] * 20
    assert len(fake.assertions) == 2


async def test_a_revoked_token_is_passing_and_replaced() -> None:
    now = [2_000_000_000.0]
    async with google() as fake, provider(fake.url, lambda: now[0]) as fcm:
        await send(fcm)
        fake.good = lambda token: token != "token-1"
        now[0] += 100
        errors = await asyncio.gather(*(refused(fcm) for _ in range(10)))
        assert {(type(error), error.code) for error in errors} == {(TransientFailure, "fcm_UNAUTHENTICATED")}
        await asyncio.gather(*(send(fcm) for _ in range(10)))
    assert len(fake.assertions) == 2


async def test_a_new_token_that_is_refused_is_our_set_up_and_asks_for_no_other() -> None:
    async with google() as fake, provider(fake.url) as fcm:
        fake.good = lambda token: False
        for _ in range(3):
            error = await refused(fcm)
            assert (type(error), error.code) == (ProviderMisconfigured, "fcm_UNAUTHENTICATED")
    assert len(fake.assertions) == 1


@pytest.mark.parametrize(("code", "kind"), TOKEN_ERRORS.items())
async def test_no_token_says_whose_fault_it_is(code: str, kind: type[SendFailure]) -> None:
    async with google() as fake, provider(fake.url) as fcm:
        content = {"error": code, "error_description": "Because."}
        fake.token_answer = web.json_response(content, status=400)
        error = await refused(fcm)
    assert (type(error), error.code) == (kind, f"fcm_token_{code}")
    assert error.message == f"no access token: {code}: Because."
    assert fake.messages == []


@pytest.mark.parametrize(
    ("status", "text", "kind", "code"),
    [
        (503, "", TransientFailure, "fcm_token_http_503"),
        (429, "[]", TransientFailure, "fcm_token_http_429"),
        (404, "<html>", ProviderMisconfigured, "fcm_token_http_404"),
        (302, "", ProviderMisconfigured, "fcm_token_http_302"),
        (400, '{"error": "never_heard"}', ProviderMisconfigured, "fcm_token_never_heard"),
        (200, "", TransientFailure, "fcm_token_unreadable"),
        (200, '{"access_token": 7, "expires_in": 3599}', TransientFailure, "fcm_token_unreadable"),
        (200, '{"access_token": "a\\r\\nb", "expires_in": 1}', TransientFailure, "fcm_token_unreadable"),
    ],
)
async def test_an_odd_token_endpoint(status: int, text: str, kind: type[SendFailure], code: str) -> None:
    async with google() as fake, provider(fake.url) as fcm:
        fake.token_answer = web.Response(status=status, text=text)
        error = await refused(fcm)
    assert (type(error), error.code) == (kind, code)


async def test_a_token_endpoint_that_never_answers_leaves_nothing_unknown() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as port, provider(f"http://127.0.0.1:{port}", **SHORT) as fcm:
        error = await refused(fcm)
    assert (type(error), error.code) == (TransientFailure, "fcm_token_no_answer")


async def test_nobody_listens() -> None:
    async with provider(f"http://127.0.0.1:{free_port()}") as fcm:
        error = await refused(fcm)
    assert (type(error), error.code) == (TransientFailure, "connect_failed")


@pytest.mark.parametrize(
    ("assertion", "grant", "says"),
    [
        ("", "urn:ietf:params:oauth:grant-type:jwt-bearer", "invalid_grant"),
        ("a.b.c", "urn:ietf:params:oauth:grant-type:jwt-bearer", "invalid_grant"),
        ("e30.e30.e30", "urn:ietf:params:oauth:grant-type:jwt-bearer", "invalid_grant"),
        ("", "password", "unsupported_grant_type"),
    ],
)
async def test_the_sandbox_gives_no_token_for_nothing(assertion: str, grant: str, says: str) -> None:
    async with running_sandbox() as running:
        form = {"grant_type": grant, "assertion": assertion}
        async with aiohttp.request("POST", f"{running.url}/fcm/token", data=form) as response:
            assert (response.status, (await response.json())["error"]) == (400, says)


async def test_the_sandbox_takes_no_message_without_its_token() -> None:
    async with google() as fake, running_sandbox() as running:
        own = fcm_settings(f"{running.url}/fcm", fcm_token_url=f"{fake.url}/token")
        fcm = FcmProvider(provider_settings(), own)
        error = await refused(fcm)
        await fcm.aclose()
        assert len(running.sandbox.inbox) == 0
    assert (type(error), error.code) == (ProviderMisconfigured, "fcm_UNAUTHENTICATED")
