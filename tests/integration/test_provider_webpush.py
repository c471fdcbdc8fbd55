"""`webpush` against the real sandbox, which reads each message as a browser does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.provider_support import RunningSandbox, outgoing, provider_settings, running_sandbox
from tests.push_keys import elliptic_key
from tidings.domain.recipient import checked_recipient
from tidings.domain.vocabulary import Channel
from tidings.domain.web_push import WebPushSubscription
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.webpush import WebpushProvider, WebpushSettings


@asynccontextmanager
async def webpush(**given: Any) -> AsyncIterator[WebpushProvider]:
    settings = provider_settings(webhook_allowed_networks="127.0.0.0/8", **given)
    own = WebpushSettings(
        _env_file=None,
        webpush_private_key=elliptic_key()[0],
        webpush_subject="mailto:ops@example.com",
    )
    provider = WebpushProvider(settings, own)
    try:
        yield provider
    finally:
        await provider.aclose()


async def subscription(running: RunningSandbox, browser: str = "") -> str:
    async with aiohttp.request("GET", f"{running.url}/webpush/subscription?browser={browser}") as response:
        assert response.status == 200
        return checked_recipient(Channel.PUSH, await response.text())


async def test_the_browser_reads_what_was_sent() -> None:
    async with running_sandbox() as running, webpush() as provider:
        to = await subscription(running, "ada")
        message = outgoing(Channel.PUSH, to, subject="Größe", body="Kód 7 📦", metadata={"order": 7})
        acceptance = await provider.send(message)
        [push] = running.sandbox.inbox
    assert (push.channel, push.provider, push.recipient) == (Channel.PUSH, "webpush", "ada")
    assert (push.subject, push.body, push.notification_id) == ("Größe", "Kód 7 📦", message.key)
    shown = {name.lower(): value for name, value in push.headers}
    assert shown["data"] == f'{{"order": 7, "tidings_id": "{message.key}"}}'
    assert shown["urgency"] == "normal"
    assert "authorization" not in shown
    assert str(acceptance.reference).startswith(f"{running.url}/webpush/messages/")


async def test_a_subscription_outlives_the_sandbox_s_restart() -> None:
    async with running_sandbox() as running:
        before = WebPushSubscription.parse(await subscription(running, "ada"))
        other = WebPushSubscription.parse(await subscription(running))
    async with running_sandbox() as running:
        after = WebPushSubscription.parse(await subscription(running, "ada"))
    assert (before.p256dh, before.auth) == (after.p256dh, after.auth) != (other.p256dh, other.auth)


@pytest.mark.parametrize(
    ("browser", "kind", "code"),
    [
        ("temporary-failure", TransientFailure, "webpush_429"),
        ("permanent-failure", PermanentFailure, "webpush_gone"),
        ("hang", UnknownOutcome, "no_answer"),
    ],
)
async def test_browsers_that_fail_on_purpose(browser: str, kind: type[SendFailure], code: str) -> None:
    async with (
        running_sandbox() as running,
        webpush(provider_connect_timeout=0.3, provider_response_timeout=0.3) as provider,
    ):
        to = await subscription(running, browser)
        with pytest.raises(SendFailure) as raised:
            await provider.send(outgoing(Channel.PUSH, to))
        assert len(running.sandbox.inbox) == 0
    assert (type(raised.value), raised.value.code) == (kind, code)


async def test_what_is_not_encrypted_for_that_browser_is_not_kept() -> None:
    async with running_sandbox() as running, webpush() as provider:
        ada, bob = [
            WebPushSubscription.parse(await subscription(running, browser)) for browser in ("ada", "bob")
        ]
        crossed = WebPushSubscription(ada.endpoint, bob.p256dh, bob.auth).text
        with pytest.raises(PermanentFailure) as raised:
            await provider.send(outgoing(Channel.PUSH, crossed))
        assert (raised.value.code, len(running.sandbox.inbox)) == ("webpush_400", 0)


async def test_a_token_for_another_service_is_our_set_up() -> None:
    async with running_sandbox() as running, webpush() as provider:
        ada = WebPushSubscription.parse(await subscription(running, "ada"))
        authorization = provider._vapid.authorization("https://other.example/") if provider._vapid else ""
        sent = {"TTL": "0", "Content-Encoding": "aes128gcm", "Authorization": authorization}
        for headers, status in ((sent, 403), (sent | {"Authorization": ""}, 403), (sent | {"TTL": ""}, 400)):
            async with aiohttp.request("POST", ada.endpoint, headers=headers, data=b"x") as response:
                assert response.status == status
        assert len(running.sandbox.inbox) == 0


async def test_a_token_that_is_refused_is_not_the_message_s_fault() -> None:
    async with running_sandbox() as running:
        settings = provider_settings(webhook_allowed_networks="127.0.0.0/8")
        own = WebpushSettings(
            _env_file=None, webpush_private_key=elliptic_key()[0], webpush_subject="https://example.com/"
        )
        # To the sandbox, this token ended long ago.
        provider = WebpushProvider(settings, own, clock=lambda: 1_000_000.0)
        with pytest.raises(ProviderMisconfigured) as raised:
            await provider.send(outgoing(Channel.PUSH, await subscription(running)))
        await provider.aclose()
    assert raised.value.code == "webpush_403"
