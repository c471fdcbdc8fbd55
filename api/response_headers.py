"""Headers that every answer bears, whoever makes it: see the table."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.cross_origin import CrossOriginByPath

DOCS_FILES = "/docs/static/"

NOTHING_TO_SHOW = "default-src 'none'; frame-ancestors 'none'"
"""The content policy of what is data and no page."""

ALWAYS = {
    # An answer that holds a caller's HTML or a webhook's response is never to be run as a page.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": NOTHING_TO_SHOW,
    # Paths hold ids.
    "Referrer-Policy": "no-referrer",
    # Answers are a tenant's own, and stale the moment that they are given.
    "Cache-Control": "no-store",
}
"""On every answer whose route says nothing else (OWASP, REST Security Cheat Sheet)."""

DOCS_CACHE = "public, max-age=3600"


class ResponseHeaders:
    """Outermost, so that errors, preflights and answers to bugs bear them too.

    `hsts_seconds`: how long browsers are to insist on HTTPS (RFC 6797); 0 says nothing of it, for the header
    means nothing over plain HTTP and locks people out of a host that serves only that.
    """

    def __init__(self, app: ASGIApp, cross_origin: CrossOriginByPath, hsts_seconds: int = 0) -> None:
        self._app = app
        self._cross_origin = cross_origin
        self._table = dict(ALWAYS)
        if hsts_seconds:
            self._table["Strict-Transport-Security"] = f"max-age={hsts_seconds}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        shared = self._cross_origin.at(scope["path"]).headers_for(Headers(scope=scope))
        is_docs_file = scope["path"].startswith(DOCS_FILES)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if is_docs_file and message["status"] in (200, 304):
                    headers.setdefault("Cache-Control", DOCS_CACHE)
                for name, value in self._table.items():
                    headers.setdefault(name, value)
                for name, value in shared.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, send_with_headers)
