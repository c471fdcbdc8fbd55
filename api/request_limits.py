"""Limits of every request, whoever makes it: its head, how many are under way, their bodies."""

import asyncio
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.admission import QUOTA_HEADERS
from api.problems import Problem, problem_response
from tidings.settings import ApiSettings

MOST_HEADERS = 100
_LONGEST_URI = 8_192
_EXEMPT = ("/health/", "/metrics")
BYTES_A_SECOND = 10_000
"""How fast a large body has to come once the time for a small one is over (as Apache's mod_reqtimeout)."""


class RequestLimits:
    """Plain ASGI, inside RequestContext: what it refuses has an id and a line in the log."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._settings = settings
        self._under_way = 0
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        problem = _oversize(scope, self._settings.max_header_bytes) or self._too_busy(scope["path"])
        if problem is not None:
            await problem_response(scope["path"], problem)(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and QUOTA_HEADERS in scope:
                MutableHeaders(scope=message).update(scope[QUOTA_HEADERS])
            await send(message)

        body = _Body(receive, self._settings.body_timeout, self._take)
        self._under_way += 1
        try:
            await self._app(scope, body.receive, answer)
        finally:
            self._under_way -= 1
            self._bytes -= body.size

    def _take(self, size: int, own: int) -> None:
        """Make room for more of a body of which `own` bytes are there. Raises Problem (503)."""
        others = self._bytes - own
        if size and others and self._bytes + size > self._settings.max_body_bytes_at_once:
            raise Problem(
                problems.TOO_BUSY,
                "The bodies of other requests fill the memory; nothing was done with this one: try again.",
                headers={"Retry-After": "1", "Connection": "close"},
            )
        self._bytes += size

    def _too_busy(self, path: str) -> Problem | None:
        if self._under_way < self._settings.max_concurrent_requests or path.startswith(_EXEMPT):
            return None
        return Problem(
            problems.TOO_BUSY,
            "This process works on as many requests as it may; nothing was done with this one: try again.",
            headers={"Retry-After": "1"},
        )


def _oversize(scope: Scope, most_bytes: int) -> Problem | None:
    # As on the wire: each field has a colon, a space and a line's end.
    size = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    if size > most_bytes or len(scope["headers"]) > MOST_HEADERS:
        return headers_too_large(most_bytes)
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > _LONGEST_URI:
        return Problem(problems.URI_TOO_LONG, f"Path and query may have {_LONGEST_URI} bytes together.")
    return None


def headers_too_large(most_bytes: int) -> Problem:
    """The refusal of a head that is too large."""
    detail = (
        f"There may be {MOST_HEADERS} header fields, and all of them together may have {most_bytes} bytes."
    )
    return Problem(problems.HEADERS_TOO_LARGE, detail)


class _Body:
    """A request's body, within its time and its share. Raises Problem (408, 503) where it is read."""

    def __init__(self, receive: Receive, patience: float, take: Callable[[int, int], None]) -> None:
        self._receive = receive
        self._take = take
        self.size = 0
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + patience
        self._is_whole = False

    async def receive(self) -> Message:
        if self._is_whole:
            # Only the end of the connection is still to come, and that may take its time.
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise Problem(
                problems.REQUEST_TIMEOUT,
                "The body did not arrive in time, and nothing was done with it: send it again, faster.",
                headers={"Connection": "close"},
            ) from None
        self._is_whole = not message.get("more_body", False)
        size = len(message.get("body", b""))
        self._take(size, self.size)
        self.size += size
        self._deadline += size / BYTES_A_SECOND
        return message
