"""A real server that answers by a script: what an API in trouble, or another in its place, says."""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

ID = "01a1fcb7-b18c-7066-a470-a96aeb1369b3"

NOTIFICATION: dict[str, Any] = {
    "id": ID,
    "channel": "email",
    "recipient": "ada@example.com",
    "status": "pending",
    "created_at": "2026-11-21T06:07:39.404247Z",
    "updated_at": "2026-11-21T06:07:39.404247Z",
    "workflow": {"id": f"notification-{ID}", "url": "http://127.0.0.1:8233/w"},
}

Step = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


@dataclass
class ScriptedApi:
    """`url`, and every request in order. Answers go by the script; the last one is kept up."""

    script: list[Step]
    url: str = ""
    seen: list[Seen] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer by the next step."""
        body = await request.read()
        self.seen.append(Seen(request.method, request.path_qs, request.headers.copy(), body))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return await step(request)


def says(
    status: int,
    document: object = None,
    *,
    text: str | None = None,
    kind: str = "application/json",
    **headers: str,
) -> Step:
    """An answer with this document, or this text."""

    async def step(_: web.Request) -> web.StreamResponse:
        body = json.dumps(document) if text is None else text
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=body, content_type=kind, headers=named)

    return step


def problem(
    status: int, name: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any
) -> Step:
    """A problem as the API writes it."""
    document = {"type": f"/problems/{name}", "title": name, "status": status, "detail": detail, **more}
    return says(status, document, kind="application/problem+json", **(headers or {}))


def resets() -> Step:
    """Take the request, and cut the line."""

    async def step(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return step


def breaks_off() -> Step:
    """Begin an answer, and cut the line."""

    async def step(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=201, headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"id": "01a1')
        assert request.transport is not None
        request.transport.close()
        return response

    return step


def never_ends(chunk: bytes) -> Step:
    """An answer without an end."""

    async def step(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=200)
        await response.prepare(request)
        try:
            while True:
                await response.write(chunk)
        except ConnectionError:
            return response

    return step


@asynccontextmanager
async def scripted_api(*script: Step, tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedApi]:
    """Run it for the block, on a port of its own."""
    api = ScriptedApi(list(script))
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app, shutdown_timeout=0, access_log=None, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    api.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield api
    finally:
        await runner.cleanup()
