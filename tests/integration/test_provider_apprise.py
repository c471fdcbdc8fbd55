"""`apprise`: the real Apprise against the sandbox, and against servers that do as they are told."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from tests.provider_support import Handler, outgoing, provider_settings, running_sandbox, serving
from tests.support import free_port
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure, SendFailure, TransientFailure, UnknownOutcome
from tidings.providers.apprise import AppriseProvider, AppriseSettings

pytest.importorskip("apprise", reason="needs apprise: the extra 'apprise' is not installed")

TOKEN = "abcdefgh12345678"


@asynccontextmanager
async def apprise(threads: int = 20, **given: float) -> AsyncIterator[AppriseProvider]:
    settings = provider_settings(webhook_allowed_networks="127.0.0.0/8", **given)
    provider = AppriseProvider(settings, AppriseSettings(_env_file=None, apprise_threads=threads))
    try:
        yield provider
    finally:
        await provider.aclose()


@asynccontextmanager
async def service(answer: web.Response) -> AsyncIterator[tuple[int, list[str]]]:
    """A server that answers each POST so, its port, and the paths that were asked for."""
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=answer.status, headers=answer.headers, text=answer.text)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1], seen
    finally:
        await runner.cleanup()


async def refused(provider: AppriseProvider, url: str) -> SendFailure:
    with pytest.raises(SendFailure) as raised:
        await provider.send(outgoing(Channel.CHAT, url))
    assert TOKEN not in raised.value.message
    return raised.value


@pytest.mark.parametrize(
    ("url", "subject", "body"),
    [
        ("json://{host}/hooks/" + TOKEN, "Größe", "Kód 7 📦 <b>&"),
        ("mmost://{host}/" + TOKEN, None, "Größe\r\nKód 7 📦 <b>&"),
        ("gotify://{host}/hooks/a/" + TOKEN, "Größe", "Kód 7 📦 <b>&"),
    ],
)
async def test_the_services_get_what_was_written(url: str, subject: str | None, body: str) -> None:
    async with running_sandbox() as running, apprise() as provider:
        host = running.url.removeprefix("http://")
        message = outgoing(Channel.CHAT, url.format(host=host), subject="Größe", body="Kód 7 📦 <b>&")
        acceptance = await provider.send(message)
        [post] = running.sandbox.inbox
    assert acceptance.reference is None
    assert (post.channel, post.provider, post.notification_id) == (Channel.CHAT, "apprise", message.key)
    assert (post.subject, post.body) == (subject, body)


@pytest.mark.parametrize(
    ("word", "kind", "code"),
    [
        ("temporary-failure", TransientFailure, "apprise_503"),
        ("permanent-failure", PermanentFailure, "apprise_422"),
        ("hang", UnknownOutcome, "no_answer"),
    ],
)
async def test_recipients_that_fail_on_purpose(word: str, kind: type[SendFailure], code: str) -> None:
    async with (
        running_sandbox() as running,
        apprise(provider_connect_timeout=0.3, provider_response_timeout=0.3) as provider,
    ):
        host = running.url.removeprefix("http://")
        error = await refused(provider, f"json://{host}/hooks/{word}")
        assert len(running.sandbox.inbox) == 0
    assert (type(error), error.code) == (kind, code)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    async with service(web.Response()) as (elsewhere, seen):
        moved = web.Response(status=status, headers={"Location": f"http://127.0.0.1:{elsewhere}/"})
        async with service(moved) as (port, asked), apprise() as provider:
            error = await refused(provider, f"json://127.0.0.1:{port}/{TOKEN}")
    assert (type(error), error.code, len(asked), seen) == (
        PermanentFailure,
        f"apprise_{status}",
        1,
        [],
    )


async def test_apprise_does_not_try_again() -> None:
    # Apprise's own answer to this is to wait and to post once more.
    limited = web.Response(status=429, headers={"Retry-After": "7"})
    async with service(limited) as (port, asked), apprise() as provider:
        error = await refused(provider, f"rocket://{TOKEN}/{TOKEN}@127.0.0.1:{port}/%23a/%23b")
    assert isinstance(error, TransientFailure)
    assert error.retry_after is not None
    assert (error.retry_after.total_seconds(), len(asked)) == (7, 1)


async def lookup(host: str, _family: Any) -> list[str]:
    """A name server for these tests: every name is in the private network."""
    return ["203.0.113.7" if host.startswith("reserved") else "127.0.0.1"]


@pytest.mark.parametrize(
    "url",
    [
        *(f"{scheme}://127.0.0.1/{TOKEN}" for scheme in ("json", "mmost", "gotify", "ntfy", "synology")),
        *(f"json://{host}/{TOKEN}" for host in ("10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:7f00:1]")),
        *(f"json://{host}.example/{TOKEN}" for host in ("rebinding", "reserved")),
        f"rocket://{TOKEN}/{TOKEN}@192.168.1.1",
    ],
)
async def test_what_is_not_public_is_refused_before_a_connection(url: str) -> None:
    provider = AppriseProvider(provider_settings(), AppriseSettings(_env_file=None), lookup=lookup)
    error = await refused(provider, url)
    await provider.aclose()
    assert (type(error), error.code) == (PermanentFailure, "target_refused")


@pytest.mark.parametrize("scheme", ["slack", "discord", "tgram", "gchat", "webex"])
@pytest.mark.peer(
    provider="apprise",
    peer="apprise (PyPI)",
    exercises="hosted services end at the address that was checked: refused",
)
async def test_hosted_services_go_to_checked_addresses_too(scheme: str) -> None:
    urls = {
        "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "discord": f"discord://4174216298/{TOKEN * 4}",
        "tgram": "tgram://123456789:abcdefg_hijklmnopabcdefg_hijklmnop/12315544",
        "gchat": f"gchat://space/{TOKEN}/{TOKEN}",
        "webex": f"webex://{TOKEN * 5}",
    }
    provider = AppriseProvider(provider_settings(), AppriseSettings(_env_file=None), lookup=lookup)
    error = await refused(provider, urls[scheme])
    await provider.aclose()
    assert error.code == "target_refused"


async def test_proxy_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    async with service(web.Response()) as (port, asked), apprise() as provider:
        await provider.send(outgoing(Channel.CHAT, f"json://127.0.0.1:{port}/{TOKEN}"))
    assert asked == [f"/{TOKEN}"]


async def test_nobody_listens() -> None:
    async with apprise() as provider:
        error = await refused(provider, f"json://127.0.0.1:{free_port()}/{TOKEN}")
    assert (type(error), error.code) == (TransientFailure, "connect_failed")


async def hanging_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize("handler", [hanging_up, silent])
async def test_without_an_answer_nobody_can_know(handler: Handler) -> None:
    async with (
        serving(handler) as port,
        apprise(provider_connect_timeout=0.2, provider_response_timeout=0.2) as provider,
    ):
        error = await refused(provider, f"json://127.0.0.1:{port}/{TOKEN}")
    assert (type(error), error.code) == (UnknownOutcome, "no_answer")


async def test_a_url_that_its_service_does_not_understand_is_refused() -> None:
    async with apprise() as provider:
        error = await refused(provider, f"slack://{TOKEN}/b")
    assert (type(error), error.code) == (PermanentFailure, "target_invalid")


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "aiohttp.access":
            self.lines.append(f"{record.name}: {record.getMessage()}")


async def test_no_token_gets_into_a_log() -> None:
    kept, loggers = Kept(), [logging.getLogger(), logging.getLogger("apprise")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(kept)
        logger.setLevel(logging.DEBUG)
    try:
        async with service(web.Response(status=400, text=f"no {TOKEN}")) as (port, _), apprise() as provider:
            await refused(provider, f"json://127.0.0.1:{port}/{TOKEN}")
            await refused(provider, f"slack://{TOKEN}/b")
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(kept)
            logger.setLevel(level)
    assert [line for line in kept.lines if TOKEN in line or line.startswith("apprise")] == []


async def test_a_cancelled_attempt_frees_its_thread() -> None:
    arrived = asyncio.Semaphore(0)

    async def handler(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.release()
        await reader.read()

    async with serving(handler) as port, apprise(threads=1, provider_response_timeout=60) as provider:
        for _ in range(3):
            message = outgoing(Channel.CHAT, f"json://127.0.0.1:{port}/{TOKEN}")
            attempt = asyncio.create_task(provider.send(message))
            async with asyncio.timeout(10):
                await arrived.acquire()
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt


async def test_many_at_once_share_the_threads() -> None:
    async with service(web.Response()) as (port, asked), apprise(threads=3) as provider:
        urls = [f"json://127.0.0.1:{port}/{number}" for number in range(50)]
        await asyncio.gather(*(provider.send(outgoing(Channel.CHAT, url)) for url in urls))
    assert sorted(asked) == sorted(f"/{number}" for number in range(50))
