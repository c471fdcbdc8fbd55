"""One call of the API: its tries, and its answer or one clear error."""

import asyncio
import io
import json
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace, TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import aiohttp
from pydantic import BaseModel, ValidationError

from tidings import __version__
from tidings.client.errors import (
    InvalidCall,
    NotReachable,
    TidingsClientError,
    UnexpectedAnswer,
    printable,
    problem_of,
)
from tidings.client.fields import encoded
from tidings.client.retrying import NOT_BEGUN, PASSING, Repeat, Retry, Retrying, jitter, seconds_of

USER_AGENT = f"tidings-python/{__version__}"

_KEEP_ALIVE = 4.0
"""Seconds that an idle connection is kept: less than servers and proxies do, so that no request goes out on
one that is just being closed."""

log = logging.getLogger("tidings.client")

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Answered:
    """A 2xx, its body read. `repeated`: a try before it may have been carried out as well."""

    status: int
    document: Any
    repeated: bool = False

    def as_model(self, model: type[Answer]) -> Answer:
        """The body as that model. Raises UnexpectedAnswer."""
        try:
            return model.model_validate(self.document)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            place = "/".join(map(str, fault["loc"])) or "the body"
            raise UnexpectedAnswer(self.status, f"{place}: {fault['msg']}") from None


@dataclass(frozen=True, slots=True)
class _Failure:
    """A try that failed for a passing cause."""

    error: TidingsClientError
    reason: str
    begun: bool
    retry_after: float | None = None


@dataclass(slots=True)
class _Sent:
    """How often a try went out: the HTTP library repeats what it knows to be harmless, once, by itself."""

    count: int = 0


class Transport:
    """Makes calls over pooled connections. Follows no redirect, keeps no cookie, logs no key."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout: float,
        retrying: Retrying,
        max_answer_bytes: int,
        max_connections: int,
        tls: ssl.SSLContext | bool,
        on_retry: Callable[[Retry], None] | None,
    ) -> None:
        self.url = _checked_url(url)
        self._authorization = f"Bearer {_checked_key(api_key)}"
        self._timeout = timeout
        self._retrying = retrying
        self._max_bytes = max_answer_bytes
        self._max_connections = max_connections
        self._tls = tls
        self._on_retry = on_retry
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def call(
        self,
        method: str,
        path: str,
        *,
        document: object = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeat: Repeat = Repeat.ALWAYS,
    ) -> Answered:
        """The answer, if it is a 2xx.

        Raises ApiProblem, NotReachable or UnexpectedAnswer, after as many tries as `repeat` and the time
        allow.
        """
        body = None if document is None else encoded(document)
        began, failures, arrived = time.monotonic(), 0, False
        while True:
            outcome = await self._try(method, path, body, query, headers, arrived)
            if isinstance(outcome, Answered):
                return outcome
            failures += 1
            arrived = arrived or outcome.begun
            wait = self._retrying.wait(failures, outcome.retry_after, jitter)
            allowed = repeat is Repeat.ALWAYS or not outcome.begun
            if not allowed or time.monotonic() - began + wait > self._retrying.total:
                raise outcome.error
            self._tell(Retry(method, path, failures, outcome.reason, wait, self._retrying.total))
            await asyncio.sleep(wait)

    async def close(self) -> None:
        """Close all connections; there are no calls after it."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _try(
        self,
        method: str,
        path: str,
        body: bytes | None,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        arrived: bool,
    ) -> Answered | _Failure:
        named = {"Authorization": self._authorization, **(headers or {})}
        if body is not None:
            named["Content-Type"] = "application/json"
        sent = _Sent()
        try:
            async with self._open().request(
                method,
                self.url + path,
                # As a stream: a large body as bytes would hold up the event loop.
                data=None if body is None else io.BytesIO(body),
                params=query,
                headers=named,
                allow_redirects=False,
                trace_request_ctx=sent,
            ) as response:
                return await self._read(response, arrived or sent.count > 1)
        except aiohttp.ClientSSLError as error:
            # No passing cause; and the words of ssl name no secret.
            raise NotReachable(self.url, f"TLS: {_why(error)}", may_have_arrived=arrived, tls=True) from None
        except aiohttp.ClientConnectorDNSError:
            return self._unreachable("there is no such host", sent, arrived)
        except aiohttp.ClientConnectorError:
            return self._unreachable("nobody listens there", sent, arrived)
        except TimeoutError:
            return self._unreachable("it does not answer", sent, arrived)
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
            return self._unreachable("it broke the connection off", sent, arrived)
        except aiohttp.InvalidURL:
            raise InvalidCall(f"{self.url} is no address of an API") from None
        except aiohttp.ClientResponseError as error:
            # Not even HTTP.
            raise UnexpectedAnswer(error.status, error.message) from None

    def _unreachable(self, reason: str, sent: _Sent, arrived: bool) -> _Failure:
        begun = sent.count > 0
        error = NotReachable(self.url, reason, may_have_arrived=begun or arrived)
        return _Failure(error, reason, begun)

    async def _read(self, response: aiohttp.ClientResponse, arrived: bool) -> Answered | _Failure:
        status = response.status
        if 300 <= status < 400:
            target = response.headers.get("Location", "")[:200]
            raise UnexpectedAnswer(status, f"it redirects to {target!r}; name the API's own address instead")
        body = await self._body(response)
        if status < 300:
            return Answered(status, _decoded(status, body) if body else None, arrived)
        document = _problem_in(body)
        if document is None:
            kind = response.content_type
            document = {"detail": f"no reason given; the answer is {kind}, not one of the API's own"}
        retry_after = seconds_of(response.headers.get("Retry-After"))
        problem = problem_of(
            status, document, retry_after=retry_after, request_id=response.headers.get("X-Request-ID")
        )
        problem.repeated = arrived
        if status not in PASSING:
            raise problem
        return _Failure(problem, f"HTTP {status}", status not in NOT_BEGUN, retry_after)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._max_bytes:
                raise UnexpectedAnswer(response.status, f"it is longer than {self._max_bytes:,} bytes")
        return bytes(body)

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise InvalidCall("This client is closed")
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_request_headers_sent.append(_count)
            self._session = aiohttp.ClientSession(
                headers={"User-Agent": USER_AGENT, "Accept": "application/json, application/problem+json"},
                timeout=aiohttp.ClientTimeout(total=self._timeout, connect=min(10.0, self._timeout)),
                connector=aiohttp.TCPConnector(
                    limit=self._max_connections, keepalive_timeout=_KEEP_ALIVE, ssl=self._tls
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[trace],
            )
        return self._session

    def _tell(self, retry: Retry) -> None:
        log.info("%s %s: %s; again in %.1f s", retry.method, retry.path, retry.reason, retry.wait)
        if self._on_retry is not None:
            self._on_retry(retry)


async def _count(_session: object, context: SimpleNamespace, _sent: object) -> None:
    context.trace_request_ctx.count += 1


def _why(error: aiohttp.ClientSSLError) -> str:
    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else None
    return printable(str(cause or error.os_error))


def _decoded(status: int, body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise UnexpectedAnswer(status, "the body is not JSON") from None


def _problem_in(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise InvalidCall(f"{url!r} is no address of an API, such as https://notify.example.com") from None
    if "@" in parts.netloc:
        raise InvalidCall("The address of the API must not carry a user name or password")
    if not valid or parts.query or parts.fragment or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidCall(f"{url!r} is no address of an API, such as https://notify.example.com")
    return url.rstrip("/")


def _checked_key(key: str) -> str:
    if not key or not all("!" <= character <= "~" for character in key):
        raise InvalidCall("The API key must be visible ASCII characters without spaces")
    return key
