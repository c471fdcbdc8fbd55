"""The sandbox over HTTP, as a program and as a browser calls it."""

import asyncio
import io
from typing import Any

import aiohttp
import pytest

from tests.provider_support import outgoing, provider_settings, running_sandbox
from tests.support import eventually
from tidings.domain.vocabulary import Channel
from tidings.providers.registry import SandboxedProviders, build_providers


async def get(url: str, **headers: str) -> tuple[int, str, Any]:
    async with aiohttp.request("GET", url, headers=headers) as response:
        return response.status, await response.text(), response.headers


async def test_every_channel_arrives_in_one_inbox() -> None:
    async with running_sandbox() as running:
        settings = provider_settings(
            smtp_port=running.smtp_port, sandbox_url=running.url, webhook_allowed_networks="127.0.0.0/8"
        )
        live, sandboxed = build_providers(settings), SandboxedProviders(settings)
        hook = f"{running.url}/hooks/a"
        sends = {
            ("smtp", Channel.EMAIL): "ada@example.com",
            ("sandbox", Channel.SMS): "+14155550100",
            ("sandbox", Channel.PUSH): "token-12345",
            ("sandbox", Channel.CHAT): "slack://T1/B2/x3",
            ("webhook", Channel.WEBHOOK): hook,
        }
        for (name, channel), recipient in sends.items():
            providers = sandboxed if name == "sandbox" else live
            await providers.get(name, channel).send(outgoing(channel, recipient))
        await live.aclose()
        await sandboxed.aclose()
        async with aiohttp.ClientSession(running.url) as session:
            everything = await (await session.get("/messages")).json()
            only = await (await session.get("/messages?channel=sms&recipient=%2B14155550100")).json()
            nobody = await (await session.get("/messages?recipient=ada@example")).json()
            bad = await session.get("/messages?channel=pigeon")
            cleared = await session.delete("/messages")
            after = await (await session.get("/messages")).json()
    assert [(m["provider"], m["channel"], m["recipient"]) for m in everything["data"]] == [
        (name, channel, recipient) for (name, channel), recipient in reversed(sends.items())
    ]
    assert only["data"] == [everything["data"][3]]
    assert nobody["data"] == after["data"] == []
    assert (bad.status, cleared.status) == (400, 204)


async def test_the_page_is_not_sent_again_while_nothing_changes() -> None:
    async with running_sandbox() as running:
        status, _, headers = await get(running.url)
        assert status == 200
        assert (await get(running.url, **{"If-None-Match": headers["ETag"]}))[0] == 304
        async with aiohttp.request("POST", f"{running.url}/hooks/a", data=b"{}") as response:
            assert response.status == 202
        status, text, _ = await get(running.url, **{"If-None-Match": headers["ETag"]})
        assert status == 200
        assert "/hooks/a" in text


async def test_the_page_loads_nothing_from_elsewhere_and_runs_only_its_own_script() -> None:
    async with running_sandbox() as running:
        _, _, headers = await get(running.url)
        for name, kind in (("inbox.js", "text/javascript"), ("inbox.css", "text/css")):
            status, text, static = await get(f"{running.url}/static/{name}")
            assert (status, static.get("Content-Type")) == (200, f"{kind}; charset=utf-8")
            assert "http" not in text.replace("HTTP", "")
        assert (await get(f"{running.url}/static/..%2fpages.py"))[0] == 404
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers["X-Content-Type-Options"] == "nosniff"


async def test_the_html_of_a_mail_comes_with_a_policy_that_runs_and_fetches_nothing() -> None:
    async with running_sandbox() as running:
        providers = build_providers(provider_settings(smtp_port=running.smtp_port))
        smtp = providers.get("smtp", Channel.EMAIL)
        await smtp.send(outgoing(Channel.EMAIL, "ada@example.com", html="<script>alert(1)</script><b>hi</b>"))
        [mail] = running.sandbox.inbox
        status, text, headers = await get(f"{running.url}/messages/{mail.number}/html")
        assert (await get(f"{running.url}/messages/999/html"))[0] == 404
    assert status == 200
    assert "<b>hi</b>" in text
    directives = [part.strip() for part in headers["Content-Security-Policy"].split(";")]
    assert "default-src 'none'" in directives
    assert not any(part.startswith("script-src") for part in directives)
    [sandbox] = [part for part in directives if part.startswith("sandbox")]
    assert "allow-scripts" not in sandbox
    assert "allow-same-origin" not in sandbox


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/sink/pigeon", "{}", 404),
        ("/sink/sms", "not json", 400),
        ("/sink/sms", '{"recipient": "+1"}', 400),
        ("/hooks/", "{}", 404),
        ("/messages", "{}", 405),
        ("/hooks/a", "x" * 32_000_001, 413),
    ],
)
async def test_what_is_no_message_is_refused_and_not_kept(path: str, body: str, status: int) -> None:
    async with running_sandbox() as running:
        async with aiohttp.request("POST", running.url + path, data=io.BytesIO(body.encode())) as response:
            assert response.status == status
            assert response.content_type == "application/json"
        assert len(running.sandbox.inbox) == 0


async def test_a_webhook_of_any_form_is_kept() -> None:
    async with running_sandbox() as running:
        for body in (b"", b"\xff\xfe", b"[1]", b'{"data": {"subject": 7}}', b"null"):
            async with aiohttp.request("POST", f"{running.url}/hooks/any/thing?x=1", data=body) as response:
                assert response.status == 202
        assert {hook.recipient for hook in running.sandbox.inbox} == {f"{running.url}/hooks/any/thing?x=1"}
        assert (await get(running.url))[0] == 200
        assert len(running.sandbox.inbox) == 5


async def test_it_stops_at_once_with_connections_that_hang() -> None:
    async with running_sandbox() as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.smtp_port)
        commands = b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<hang@b>\r\nDATA\r\n"
        writer.write(commands)
        await reader.readuntil(b"354 ")
        writer.write(b"Subject: x\r\n\r\nx\r\n.\r\n")
        session = aiohttp.ClientSession()
        hanging = asyncio.create_task(session.post(f"{running.url}/hooks/hang", data=b"{}"))
        await eventually(lambda: get(f"{running.url}/health/live"))
    await asyncio.wait_for(reader.read(), 10)
    await asyncio.wait([hanging], timeout=10)
    assert hanging.done()
    if hanging.exception() is None:
        assert hanging.result().status == 503
    await session.close()
    writer.close()


async def test_a_client_that_gives_up_is_not_served_in_the_background() -> None:
    async with running_sandbox(sandbox_slow_seconds=0.3) as running:
        with pytest.raises(TimeoutError):
            async with (
                asyncio.timeout(0.1),
                aiohttp.request("POST", f"{running.url}/hooks/slow", data=b"{}") as response,
            ):
                await response.read()
        async with aiohttp.request("POST", f"{running.url}/hooks/slow-too", data=b"{}") as response:
            assert response.status == 202
        assert [hook.recipient for hook in running.sandbox.inbox] == [f"{running.url}/hooks/slow-too"]


async def test_no_more_messages_are_kept_than_the_setting_says() -> None:
    async with running_sandbox(sandbox_keep=2) as running:
        for name in "abc":
            async with aiohttp.request("POST", f"{running.url}/hooks/{name}", data=b"{}") as response:
                assert response.status == 202
        assert [hook.recipient[-1] for hook in running.sandbox.inbox] == ["c", "b"]
