"""`GET /metrics` of the worker, where a port is set for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from tidings.errors import SetupError
from tidings.metrics import MetricsPage
from tidings.settings import WorkerSettings

log = structlog.get_logger(__name__)


@asynccontextmanager
async def serving(page: MetricsPage, settings: WorkerSettings) -> AsyncIterator[None]:
    """Serve the page for the block. Raises SetupError if the port cannot be had."""
    host, port = settings.worker_metrics_host, settings.worker_metrics_port
    if port is None:
        yield
        return

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = await page.read(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        log.info("metrics_ready", host=host, port=port)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise SetupError(
            f"Cannot serve metrics on {host} port {port}: {error.strerror or error}. "
            "Set TIDINGS_WORKER_METRICS_HOST and TIDINGS_WORKER_METRICS_PORT."
        ) from error
