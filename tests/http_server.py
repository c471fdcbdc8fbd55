"""An HTTP server in the test itself: what plays a provider, a collector or whoever is called."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from tests.support import free_port


@asynccontextmanager
async def http_server(*routes: web.RouteDef, port: int | None = None) -> AsyncIterator[str]:
    """Answer by these routes for the block, on a port of its own or this one; the address."""
    port = port or free_port()
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
