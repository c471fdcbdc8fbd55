"""One HTTP/2 request for one message, and what a broken line says about it: `http_call`'s rules, over httpx2.

Here the peer may say more: a stream it refused (RFC 9113, 8.7) or one behind the last it names when it closes
(6.8) was not processed, whatever had gone out.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidings import tracing
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    SetupError,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.http_call import USER_AGENT, HttpAnswer
from tidings.providers.wording import shown
from tidings.settings import ProviderSettings

if TYPE_CHECKING:
    import httpx2

_ANSWER_BYTES = 4096
_EXCERPT_SECONDS = 2
_KEEPALIVE_SECONDS = 240
"""APNs wants connections kept; firewalls forget quiet ones, some after 350 s, with no word to either side."""
_REFUSED_STREAM = 7


def require_http2(setting: str) -> None:
    """Raises SetupError, naming the setting that wants it, if httpx2 or h2 is not installed."""
    try:
        import h2  # noqa: F401
        import httpx2  # noqa: F401
    except ModuleNotFoundError as error:
        raise SetupError(f"{setting}: needs {error.name}: pip install 'tidings[push]'.") from error


@dataclass(slots=True)
class _Progress:
    """The stream on which the request goes out, once it does."""

    stream: int | None = None

    async def __call__(self, event: str, details: Mapping[str, Any]) -> None:
        """Told by httpx2 of each step."""
        if event == "http2.send_request_headers.started":
            self.stream = details["stream_id"]
        elif event == "connection.connect_tcp.started":
            # A second try of the pool's: the first connection had not taken the request.
            self.stream = None


class Http2Client:
    """A pool that speaks HTTP/2 alone, on `http://` URLs without negotiation, and no proxy variables.

    `tls` stands in for the system's certificates.
    """

    def __init__(self, settings: ProviderSettings, tls: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        self._tls = tls
        self._client: httpx2.AsyncClient | None = None
        self._under_way = 0
        self._line: Any = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """POST once, following no redirect.

        Raises TransientFailure if the request was certainly not processed, PermanentFailure if the URL cannot
        be called at all, ProviderMisconfigured on a certificate that cannot be trusted, UnknownOutcome if the
        request may have gone out and no answer came.
        """
        return await self._call("POST", url, body, headers)

    async def get(self, url: str) -> HttpAnswer:
        """GET once. Raises as `post` does."""
        return await self._call("GET", url, b"", {})

    async def _call(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        import httpx2

        client = await self._living()
        progress = _Progress()
        within = self._settings.provider_connect_timeout + self._settings.provider_response_timeout
        self._under_way += 1
        try:
            async with (
                asyncio.timeout(within),
                client.stream(
                    method, url, content=body, headers=dict(headers), extensions={"trace": progress}
                ) as response,
            ):
                tracing.http_status(response.status_code)
                self._line = response.extensions.get("network_stream")
                return HttpAnswer(response.status_code, response.headers, await _beginning(response))
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise PermanentFailure("target_invalid", shown(f"the URL cannot be called: {error}")) from error
        except (httpx2.HTTPError, TimeoutError, OSError) as error:
            raise _failure(error, progress.stream) from error
        finally:
            self._under_way -= 1

    async def aclose(self) -> None:
        """Close pooled connections."""
        client, self._client, self._line = self._client, None, None
        if client is not None:
            await client.aclose()

    async def _living(self) -> "httpx2.AsyncClient":
        """The client, without a connection that ended while nobody used it.

        httpx2 looks for that over HTTP/1.1 only; a request on a dead connection has no known outcome.
        """
        if self._under_way == 0 and self._line is not None and self._line.get_extra_info("is_readable"):
            # What comes unasked is a goodbye, but for the odd ping.
            await self.aclose()
        if self._client is None:
            self._client = _opened(self._settings, self._tls)
        return self._client


def _opened(settings: ProviderSettings, tls: ssl.SSLContext | None) -> "httpx2.AsyncClient":
    import httpx2

    return httpx2.AsyncClient(
        http1=False,
        http2=True,
        verify=tls or ssl.create_default_context(),
        trust_env=False,
        follow_redirects=False,
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(
            settings.provider_response_timeout,
            connect=settings.provider_connect_timeout,
            pool=settings.provider_connect_timeout,
        ),
        limits=httpx2.Limits(
            max_connections=None, max_keepalive_connections=None, keepalive_expiry=_KEEPALIVE_SECONDS
        ),
    )


def _failure(error: Exception, stream: int | None) -> SendFailure:
    import httpx2

    late = isinstance(error, TimeoutError | httpx2.TimeoutException)
    what = "timed out" if late else shown(str(error) or type(error).__name__)
    if stream is None:
        certificate = _cause(error, ssl.SSLCertVerificationError)
        if certificate is not None:
            return ProviderMisconfigured("tls_certificate", shown(f"bad certificate: {certificate}"))
        return TransientFailure("connect_failed", f"no connection: {what}")
    if _unprocessed(error, stream):
        return TransientFailure("stream_refused", f"not processed: {what}")
    return UnknownOutcome("no_answer", f"no answer to the request: {what}")


def _unprocessed(error: Exception, stream: int) -> bool:
    """Whether the peer said that it has not looked at this stream."""
    cause = error.__cause__
    event: Any = cause.args[0] if cause is not None and cause.args else None
    last = getattr(event, "last_stream_id", None)
    if last is not None:
        return bool(stream > last)
    return getattr(event, "error_code", None) == _REFUSED_STREAM


def _cause(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error


async def _beginning(response: "httpx2.Response") -> str:
    """The start of the body, or nothing if it does not come in time."""
    import httpx2

    received = bytearray()
    try:
        async with asyncio.timeout(_EXCERPT_SECONDS):
            async for chunk in response.aiter_raw():
                received += chunk
                if len(received) >= _ANSWER_BYTES:
                    break
    except (httpx2.HTTPError, TimeoutError):
        pass
    return received[:_ANSWER_BYTES].decode("utf-8", "replace")
