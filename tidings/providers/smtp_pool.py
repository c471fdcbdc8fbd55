"""Connections that are kept for the next mail, and a limit on how many there are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tidings.errors import TransientFailure
from tidings.providers.smtp_connection import SmtpConnection
from tidings.settings import ProviderSettings


class SmtpPool:
    """Keeps what is idle for a while; the one used last goes out first, so that the others can expire."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._mails = settings.smtp_connection_mails
        self._idle_seconds = settings.smtp_connection_idle
        self._places = asyncio.Semaphore(settings.smtp_connections)
        self._idle: list[SmtpConnection] = []
        self._expiries: dict[SmtpConnection, asyncio.TimerHandle] = {}
        self._closed = False

    @asynccontextmanager
    async def place(self, deadline: float) -> AsyncIterator[None]:
        """The right to use one connection, for the block; first come, first served.

        `deadline`: when to give up waiting, by the loop's clock. Raises TransientFailure then.
        """
        try:
            async with asyncio.timeout_at(deadline):
                await self._places.acquire()
        except TimeoutError as error:
            raise TransientFailure(
                "smtp_busy", "no connection came free in time; TIDINGS_SMTP_CONNECTIONS limits them"
            ) from error
        try:
            yield
        finally:
            self._places.release()

    def take(self) -> SmtpConnection | None:
        """A connection that still stands, as far as anybody has heard; None if there is none."""
        while self._idle:
            connection = self._forget(self._idle[-1])
            if connection.usable:
                return connection
            connection.close()
        return None

    def put_back(self, connection: SmtpConnection) -> None:
        """Keep the connection for the next mail, unless it is of no more use."""
        if self._closed or not connection.usable or connection.mails >= self._mails:
            connection.close()
            return
        self._idle.append(connection)
        loop = asyncio.get_running_loop()
        self._expiries[connection] = loop.call_later(self._idle_seconds, self._expire, connection)

    def drop_idle(self) -> None:
        """Close what is idle: what made one connection go silent may have met them all."""
        while self._idle:
            self._forget(self._idle[-1]).close()

    def close(self) -> None:
        """Close what is idle, and from now on what is put back."""
        self._closed = True
        self.drop_idle()

    def _expire(self, connection: SmtpConnection) -> None:
        self._forget(connection).close()

    def _forget(self, connection: SmtpConnection) -> SmtpConnection:
        self._idle.remove(connection)
        self._expiries.pop(connection).cancel()
        return connection
