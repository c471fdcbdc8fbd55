"""The sandbox as one thing that starts and stops: an SMTP server and an HTTP server over one inbox."""

import asyncio
import errno
from collections.abc import Awaitable
from types import TracebackType
from typing import Self

from aiohttp import web

from tidings.errors import SetupError
from tidings.sandbox.behaviour import FailureCount
from tidings.sandbox.first_bytes import FirstBytes
from tidings.sandbox.http_app import HttpSandbox
from tidings.sandbox.inbox import Inbox
from tidings.sandbox.smtp_server import MailHandler, SmtpServer
from tidings.settings import SandboxSettings


class Sandbox:
    """Serves from `start` to `stop`, or as an async context manager."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.inbox = Inbox(settings.sandbox_keep)
        self._settings = settings
        failures = FailureCount()
        self._http = HttpSandbox(
            self.inbox, failures, settings.sandbox_slow_seconds, settings.sandbox_smtp_port
        )
        self._smtp = SmtpServer(MailHandler(self.inbox, failures, settings.sandbox_slow_seconds))
        self._runner = web.AppRunner(
            self._http.application(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        self._http_server: asyncio.Server | None = None
        self._connections: set[asyncio.Transport] = set()

    @property
    def url(self) -> str:
        """Where the inbox page is."""
        return f"http://{self._settings.sandbox_host}:{self._settings.sandbox_port}"

    async def start(self) -> None:
        """Listen on both ports. Raises SetupError, naming the setting, if one cannot be had."""
        settings = self._settings
        await self._runner.setup()
        try:
            # HTTP last: whoever sees /health/live answer may send mail.
            smtp = self._smtp.start(settings.sandbox_host, settings.sandbox_smtp_port)
            await _listening(smtp, settings.sandbox_smtp_port, "TIDINGS_SANDBOX_SMTP_PORT")
            await _listening(self._start_http(), settings.sandbox_port, "TIDINGS_SANDBOX_PORT")
        except SetupError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Hang up on everybody, at once."""
        self._http.closing.set()
        await self._smtp.stop()
        if self._http_server is not None:
            self._http_server.close()
        await self._runner.cleanup()
        for connection in list(self._connections):
            connection.abort()

    async def _start_http(self) -> None:
        http1 = self._runner.server
        if http1 is None:
            raise RuntimeError("the runner is not set up")
        self._http_server = await asyncio.get_running_loop().create_server(
            lambda: FirstBytes(http1, self._http2, self._connections),
            self._settings.sandbox_host,
            self._settings.sandbox_port,
        )

    def _http2(self) -> asyncio.Protocol:
        # Only APNs speaks HTTP/2: whoever has no use for it needs no library for it.
        from tidings.sandbox.apns import ApnsSandbox
        from tidings.sandbox.http2 import Http2Protocol

        return Http2Protocol(ApnsSandbox(self._http.reception))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def _listening(start: Awaitable[None], port: int, setting: str) -> None:
    try:
        await start
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SetupError(f"Port {port} is taken. Set {setting} to a free one.") from error
        raise SetupError(f"Cannot listen on port {port} ({setting}): {error.strerror}.") from error
