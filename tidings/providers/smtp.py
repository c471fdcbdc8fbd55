"""`smtp`: hands mail to a relay over SMTP, one recipient a mail, over connections that are used again.

SMTP has no key for deduplication: `Message-ID` and `Date` stay the same over all attempts, and receivers
may go by them.
"""

import asyncio
import ssl
from typing import Self
from urllib.parse import urlsplit

from tidings.errors import ProviderMisconfigured, TransientFailure
from tidings.providers.mail import Mail, composed, parse_sender
from tidings.providers.protocol import Acceptance, OutgoingMessage
from tidings.providers.smtp_connection import SILENT, SmtpConnection
from tidings.providers.smtp_outcome import queue_id
from tidings.providers.smtp_pool import SmtpPool
from tidings.settings import ProviderSettings, SmtpTls


class SmtpProvider:
    """Speaks SMTP to the one server in the settings. Raises SetupError if `smtp_from` is no address.

    Credentials go over TLS only, unless `smtp_tls` is `none`.
    """

    name = "smtp"

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._sender = parse_sender(settings.smtp_from)
        self._tls = (
            None if settings.smtp_tls is SmtpTls.NONE else _tls_context(settings.smtp_verify_certificates)
        )
        self._pool = SmtpPool(settings)

    @classmethod
    def build(cls, settings: ProviderSettings) -> Self:
        """From the shared settings alone."""
        return cls(settings)

    @classmethod
    def sandboxed(cls, settings: ProviderSettings) -> Self:
        """For the sandbox's SMTP server."""
        there = {
            "smtp_host": urlsplit(settings.sandbox_url).hostname or "",
            "smtp_port": settings.sandbox_smtp_port,
            "smtp_tls": SmtpTls.NONE,
            "smtp_username": None,
            "smtp_password": None,
        }
        return cls(settings.model_copy(update=there))

    @property
    def missing(self) -> str | None:
        """The setting without which nothing can be sent."""
        return None if self._settings.smtp_host else "TIDINGS_SMTP_HOST"

    async def send(self, message: OutgoingMessage) -> Acceptance:
        """Hand the mail over. `Message-ID`, `Date` and the rest of it are the same for every attempt."""
        if self.missing:
            raise ProviderMisconfigured("smtp_not_set_up", f"{self.missing} is not set")
        mail = await composed(message, self._sender)
        deadline = asyncio.get_running_loop().time() + self._settings.provider_connect_timeout
        async with self._pool.place(deadline):
            connection = await self._ready(mail, deadline)
            try:
                reply = await connection.transmit(mail)
            finally:
                self._pool.put_back(connection)
        return Acceptance(reference=queue_id(reply) or mail.message_id)

    async def check(self) -> str:
        """Connect, encrypt and log in."""
        connection = SmtpConnection(self._settings, self._tls)
        try:
            async with asyncio.timeout(self._settings.provider_connect_timeout):
                await connection.open()
        except TimeoutError as error:
            raise TransientFailure(SILENT, "the server did not answer in time") from error
        connection.close()
        user = self._settings.smtp_username
        as_whom = f"logged in as {user}" if user else "without a log-in"
        return f"{self._settings.smtp_host}:{self._settings.smtp_port} greets us, {as_whom}"

    async def aclose(self) -> None:
        """Close the idle connections; those in use close after their mail."""
        self._pool.close()

    async def _ready(self, mail: Mail, deadline: float) -> SmtpConnection:
        """A connection whose server waits for this mail's content."""
        try:
            async with asyncio.timeout_at(deadline):
                reused = self._pool.take()
                if reused is not None:
                    try:
                        # A line that died without a word is noticed while there is time for another.
                        patience = self._settings.provider_connect_timeout / 2
                        return await self._with_envelope(reused, mail, patience)
                    except TransientFailure as failure:
                        if reused.usable:
                            raise
                        if failure.code == SILENT:
                            self._pool.drop_idle()
                fresh = SmtpConnection(self._settings, self._tls)
                await fresh.open()
                return await self._with_envelope(fresh, mail)
        except TimeoutError as error:
            raise TransientFailure(SILENT, "the server did not answer in time") from error

    async def _with_envelope(
        self, connection: SmtpConnection, mail: Mail, patience: float | None = None
    ) -> SmtpConnection:
        try:
            await connection.envelope(self._sender.address, mail, patience)
        except BaseException:
            self._pool.put_back(connection)
            raise
        return connection


def _tls_context(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
