"""`python -m api`: serves HTTP until SIGTERM or SIGINT."""

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from api.app import create_app
from api.composition import ApiConfiguration, compose
from api.connection import server_config
from tidings.errors import SetupError
from tidings.logging import configure
from tidings.process import end
from tidings.provider_catalogue import catalogue
from tidings.settings import ApiSettings, LogSettings
from tidings.temporal.sdk_metrics import SdkMetrics
from tidings.tracing import tracing

_GRACE_SECONDS = 15
"""How long requests under way may go on after SIGTERM: longer than any of them takes."""

log = structlog.get_logger("api")


class _Server(uvicorn.Server):
    """Told to stop, it returns: uvicorn's own would raise the signal again and end as if it had failed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def serve() -> None:
    """Serve until told to stop, then let requests under way end. Raises SetupError."""
    configuration = ApiConfiguration.load()
    # Looked up here, so that no request waits for the import of packages.
    for fault in catalogue().faults:
        log.warning("provider_unusable", provider=fault.name, reason=fault.text)
    with _listening(configuration.api) as listener:
        async with compose(configuration, SdkMetrics.start()) as parts:
            server = _Server(
                server_config(create_app(parts), configuration.api, timeout_graceful_shutdown=_GRACE_SECONDS)
            )
            host, port = listener.getsockname()[:2]
            log.info("api_ready", host=host, port=port)
            await server.serve(sockets=[listener])
            log.info("api_stopped")


@contextmanager
def _listening(settings: ApiSettings) -> Iterator[socket.socket]:
    """The listening socket, taken before anything else is built. Raises SetupError if it cannot be had."""
    family = socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET
    try:
        listener = socket.create_server((settings.api_host, settings.api_port), family=family, backlog=2048)
    except OSError as error:
        raise SetupError(
            f"Cannot listen on {settings.api_host} port {settings.api_port}: {error.strerror or error}. "
            "Set TIDINGS_API_HOST and TIDINGS_API_PORT."
        ) from error
    with listener:
        yield listener


def main() -> int:
    """The process's exit status: 0 when told to stop, 1 if it could not run."""
    try:
        configure(LogSettings.load())
        # uvloop where it is installed, asyncio's own loop elsewhere.
        new_loop = uvicorn.Config("api", log_config=None).get_loop_factory()
        with tracing("tidings-api"), asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(serve())
    except SetupError as error:
        sys.stderr.write(f"tidings api: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    end(main())
