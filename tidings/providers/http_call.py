"""One HTTP request for one message, and what a broken line says about it.

The one question is whether the request had gone out: a connection that never stood is passing, a
connection that broke later leaves the outcome unknown, and an answer, once its status line is here,
counts even if the rest of it never comes.
"""

import asyncio
import io
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp

import tidings
from tidings import tracing
from tidings.errors import PermanentFailure, TransientFailure, UnknownOutcome
from tidings.providers.wording import shown
from tidings.settings import ProviderSettings

USER_AGENT = f"Tidings/{tidings.__version__}"

_EXCERPT_BYTES = 1024
_LARGE_BYTES = 1_000_000
_EXCERPT_SECONDS = 2
"""The status has decided by then: the text of an answer is not worth a longer wait."""
_KEEPALIVE_SECONDS = 4
"""Below the 5 s after which common servers hang up: a request on a dying connection has no known outcome."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Status, headers (looked up without regard to case) and the beginning of the body."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(slots=True)
class _Progress:
    """Whether a connection stood: from then on bytes of the request may have gone out."""

    connected: bool = False


def open_session(
    settings: ProviderSettings, connector: aiohttp.TCPConnector | None = None
) -> aiohttp.ClientSession:
    """A session for providers: no proxy variables, no cookies, no decompression, our `User-Agent`.

    To be called while the event loop runs.
    """
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_connected)
    trace.on_connection_reuseconn.append(_connected)
    return aiohttp.ClientSession(
        connector=connector or open_connector(),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        timeout=aiohttp.ClientTimeout(
            total=settings.provider_connect_timeout + settings.provider_response_timeout,
            connect=settings.provider_connect_timeout,
        ),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        trace_configs=[trace],
    )


def open_connector(
    resolver: aiohttp.abc.AbstractResolver | None = None,
    socket_factory: aiohttp.SocketFactoryType | None = None,
) -> aiohttp.TCPConnector:
    """A pool without a limit of its own: how many sends run at once is the worker's setting."""
    return aiohttp.TCPConnector(
        limit=0,
        keepalive_timeout=_KEEPALIVE_SECONDS,
        resolver=resolver,
        socket_factory=socket_factory,
    )


async def post(
    session: aiohttp.ClientSession,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    answer_bytes: int = _EXCERPT_BYTES,
) -> HttpAnswer:
    """POST once, following no redirect. At most `answer_bytes` of the answer's body are read.

    Raises TransientFailure if no connection came about, PermanentFailure if the URL cannot be called at
    all, UnknownOutcome if the request may have gone out and no answer came.
    """
    return await call(session, "POST", url, body, headers, answer_bytes=answer_bytes)


async def call(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    *,
    answer_bytes: int = _EXCERPT_BYTES,
) -> HttpAnswer:
    """One request by another method. All else is as with `post`."""
    progress = _Progress()
    try:
        # In one piece, a large body would hold up every other send of this process.
        data = io.BytesIO(body) if body is not None and len(body) > _LARGE_BYTES else body
        async with session.request(
            method, url, data=data, headers=headers, allow_redirects=False, trace_request_ctx=progress
        ) as response:
            tracing.http_status(response.status)
            return HttpAnswer(response.status, response.headers, await _excerpt(response, answer_bytes))
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise PermanentFailure("target_invalid", shown(f"the URL cannot be called: {error}")) from error
    except aiohttp.ClientSSLError as error:
        raise TransientFailure("tls_failed", shown(f"no TLS connection: {error}")) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        what = "timed out" if isinstance(error, TimeoutError) else shown(str(error) or type(error).__name__)
        if progress.connected:
            raise UnknownOutcome("no_answer", f"no answer to the request: {what}") from error
        raise TransientFailure("connect_failed", f"no connection: {what}") from error


async def _connected(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    progress: _Progress | None = context.trace_request_ctx
    if progress is not None:
        progress.connected = True


async def _excerpt(response: aiohttp.ClientResponse, limit: int) -> str:
    """The start of the body, or nothing if it does not come in time: it is only shown."""
    received = bytearray()
    try:
        async with asyncio.timeout(_EXCERPT_SECONDS):
            while len(received) < limit and not response.content.at_eof():
                received += await response.content.read(limit - len(received))
    except (aiohttp.ClientError, TimeoutError):
        pass
    return received.decode("utf-8", "replace")
