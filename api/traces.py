"""Each request as the beginning of our part of a trace, or of a trace of its own."""

from opentelemetry.trace import Span, SpanKind, StatusCode
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidings.tracing import parent_of, tracer

_QUIET = ("/health/", "/metrics")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_tracer = tracer()


class Traces:
    """Plain ASGI. A span is named by its route and holds nothing of path, query, headers or body.

    The caller's `traceparent` is its parent, and says whether the trace is recorded; a bad one starts a
    trace of its own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_QUIET):
            await self._app(scope, receive, send)
            return
        # Anything may stand where a method does.
        method = scope["method"] if scope["method"] in _METHODS else "HTTP"
        with _tracer.start_as_current_span(
            method,
            context=parent_of(Headers(scope=scope).getlist("traceparent")),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _note_status(span, message["status"])
                await send(message)

            try:
                await self._app(scope, receive, send_noted)
            finally:
                path = getattr(scope.get("route"), "path", None)
                if path is not None and span.is_recording():
                    span.update_name(f"{method} {path}")
                    span.set_attribute("http.route", path)


def _note_status(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= 500:  # by the semantic conventions a server's errors alone: 4xx are the caller's
        span.set_status(StatusCode.ERROR)
