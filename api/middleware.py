"""What happens to every request: an id, a line in the log, and an answer even where we have a bug."""

import re
import time
from uuid import UUID, uuid4

import structlog
from opentelemetry import trace
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.problems import Problem, problem_response
from tidings.metrics import ApiMetrics

REQUEST_ID = "X-Request-ID"
SUBMISSION = "tidings.submission"
"""In the scope of a request that submits: its channel, or None while that is not known."""

_VISIBLE_ASCII = re.compile(r"[!-~]{1,128}", re.ASCII)
_QUIET = ("/health/", "/metrics")
_CLIENT_CLOSED_REQUEST = 499
"""For the log alone: the client went away before it could be answered."""

log = structlog.get_logger("api.access")


def named(notification_id: UUID) -> None:
    """Say which notification the request is about, in what is logged and traced of it from now on."""
    structlog.contextvars.bind_contextvars(notification_id=str(notification_id))
    trace.get_current_span().set_attribute("tidings.notification.id", str(notification_id))


class RequestContext:
    """Plain ASGI: wrapping a request in Starlette's BaseHTTPMiddleware costs about as much as our own work.

    The caller's X-Request-ID is taken if it is 1 to 128 visible ASCII characters, else one is made; it is in
    every line logged meanwhile and in the answer. The query string is not logged: it may name a recipient.
    """

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=exchange.request_id)
        trace.get_current_span().set_attribute("tidings.request.id", exchange.request_id)
        started = time.perf_counter()
        try:
            await self._app(scope, receive, exchange.send)
        except ClientDisconnect:
            exchange.status = _CLIENT_CLOSED_REQUEST
        except Exception:
            log.exception("request_failed")
            if exchange.status is not None:
                raise  # half an answer is out: only the end of the connection can say so
            problem = Problem(problems.INTERNAL, "This is our fault. Its log lines bear the X-Request-ID.")
            await problem_response(scope["path"], problem)(scope, receive, exchange.send)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.answered(
                getattr(scope.get("route"), "path_format", None),
                scope["method"],
                exchange.status or problems.INTERNAL.status,
                seconds,
            )
            if SUBMISSION in scope:
                self._metrics.submitted(scope[SUBMISSION], exchange.status or problems.INTERNAL.status)
            write = log.debug if scope["path"].startswith(_QUIET) else log.info
            write(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=exchange.status,
                milliseconds=round(seconds * 1000, 1),
            )


class _Exchange:
    """One request's id, and the status of its answer once that is under way."""

    def __init__(self, scope: Scope, send: Send) -> None:
        given = Headers(scope=scope).get(REQUEST_ID, "")
        self.request_id = given if _VISIBLE_ASCII.fullmatch(given) else uuid4().hex
        self.status: int | None = None
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID] = self.request_id
        await self._send(message)
