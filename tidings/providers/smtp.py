"""`smtp`: hands mail to a relay over SMTP, one connection per message.

The steps are taken one by one, not by aiosmtplib's `send_message`, because what an error means hangs on the
step: until the message's last line goes out a broken line is passing; after it the outcome is unknown.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiosmtplib
from aiosmtplib import SMTP, SMTPConnectError, SMTPException, SMTPHeloError, SMTPResponseException

from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.mail import Mail, compose, parse_sender
from tidings.providers.protocol import Acceptance, OutgoingMessage
from tidings.providers.smtp_outcome import failure_for, queue_id
from tidings.providers.wording import shown
from tidings.settings import ProviderSettings, SmtpTls

_START_INPUT = 354
_COMPLETED = 250


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

    async def send(self, message: OutgoingMessage) -> Acceptance:
        """Hand the mail over. `Message-ID`, `Date` and the rest of it are the same for every attempt."""
        mail = compose(message, self._sender)
        async with self._connected() as client:
            await self._prepare(client, mail)
            reply = await self._transmit(client, mail)
            if client.protocol is not None and client.is_connected:
                # The message is theirs now: waiting for the answer to a farewell could only lose that fact.
                client.protocol.write(b"QUIT\r\n")
        return Acceptance(reference=queue_id(reply) or mail.message_id)

    async def aclose(self) -> None:
        """Nothing is held open."""

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[SMTP]:
        settings = self._settings
        implicit = settings.smtp_tls is SmtpTls.IMPLICIT
        client = SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            timeout=None,
            use_tls=implicit,
            start_tls=False,
            tls_context=self._tls if implicit else None,
            # Set on the connection; given here so that no name server is asked for it.
            local_hostname="localhost",
        )
        try:
            yield client
        except BaseException:
            if client.transport is not None:
                # close() would wait for a peer that may have stopped reading.
                _abort(client.transport)
            raise
        finally:
            client.close()

    async def _prepare(self, client: SMTP, mail: Mail) -> None:
        """All up to the server's "go ahead". Whatever breaks here, the message has not gone out."""
        try:
            async with asyncio.timeout(self._settings.provider_connect_timeout):
                try:
                    await self._open(client)
                except SMTPResponseException as error:
                    raise failure_for(error.code, error.message, about_us=True) from error
                await self._envelope(client, mail)
        except SendFailure:
            raise
        except SMTPResponseException as error:
            raise failure_for(error.code, error.message) from error
        except TimeoutError as error:
            raise TransientFailure("smtp_timeout", "the server did not answer in time") from error
        except (SMTPException, OSError) as error:
            raise _broken_line(error) from error

    async def _open(self, client: SMTP) -> None:
        await client.connect()
        client.local_hostname = _greeting_name(client)
        await _greet(client)
        if self._settings.smtp_tls in (SmtpTls.AUTO, SmtpTls.STARTTLS):
            await self._start_tls(client)
        if self._settings.smtp_username:
            await self._log_in(client, self._settings.smtp_username)

    async def _start_tls(self, client: SMTP) -> None:
        if client.supports_extension("starttls"):
            await client.starttls(tls_context=self._tls)
            await _greet(client)
        elif self._settings.smtp_tls is SmtpTls.STARTTLS:
            raise ProviderMisconfigured("smtp_tls_missing", "the server does not offer STARTTLS")
        elif self._settings.smtp_username:
            raise ProviderMisconfigured(
                "smtp_tls_missing",
                "the server does not offer STARTTLS; TIDINGS_SMTP_TLS=none would send the password in clear",
            )

    async def _log_in(self, client: SMTP, username: str) -> None:
        if not client.supported_auth_methods:
            raise ProviderMisconfigured(
                "smtp_auth_missing", "the server offers no way to log in that we know"
            )
        secret = self._settings.smtp_password
        await client.login(username, secret.get_secret_value() if secret else "")

    async def _envelope(self, client: SMTP, mail: Mail) -> None:
        options = []
        if mail.smtputf8:
            if not client.supports_extension("smtputf8"):
                raise PermanentFailure(
                    "smtputf8_missing", "the mail server cannot write to an address outside ASCII"
                )
            options.append("SMTPUTF8")
        encoding = "utf-8" if mail.smtputf8 else "ascii"
        await client.mail(self._sender.address, options=options, encoding=encoding)
        await client.rcpt(mail.recipient, encoding=encoding)
        reply = await client.execute_command(b"DATA")
        if reply.code != _START_INPUT:
            raise aiosmtplib.SMTPDataError(reply.code, reply.message)

    async def _transmit(self, client: SMTP, mail: Mail) -> str:
        """Send the content; the accepting reply's text. A reply is a clear answer, silence is none."""
        try:
            if client.protocol is None:
                # Nothing of the content has gone out yet.
                raise TransientFailure("smtp_connection_lost", "the server closed the connection")
            async with asyncio.timeout(self._settings.provider_response_timeout):
                client.protocol.write(mail.wire)
                reply = await client.protocol.read_response()
        except TimeoutError as error:
            raise UnknownOutcome(
                "smtp_no_answer", "no answer in time after the message had gone out"
            ) from error
        except (SMTPException, OSError) as error:
            raise UnknownOutcome(
                "smtp_no_answer", shown(f"the line broke after the message had gone out: {error}")
            ) from error
        if reply.code == _COMPLETED:
            return reply.message
        if 400 <= reply.code < 600:
            raise failure_for(reply.code, reply.message)
        raise UnknownOutcome("smtp_no_answer", shown(f"unexpected reply {reply.code}: {reply.message}"))


def _tls_context(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _greet(client: SMTP) -> None:
    """EHLO, or HELO where the server does not know that (RFC 5321, 3.2)."""
    try:
        await client.ehlo()
    except SMTPHeloError as error:
        if error.code not in (500, 502) or not client.is_connected:
            raise
        await client.helo()


def _greeting_name(client: SMTP) -> str:
    """Our host's full name, else our address as a literal (RFC 5321, 4.1.4); no name server is asked."""
    host = socket.gethostname()
    if "." in host:
        return host
    family, address = client.get_transport_info("socket").family, client.get_transport_info("sockname")[0]
    return f"[IPv6:{address}]" if family == socket.AF_INET6 else f"[{address}]"


def _abort(transport: asyncio.BaseTransport) -> None:
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
    else:
        transport.close()


def _broken_line(error: Exception) -> SendFailure:
    """What an error without a reply means before the message has gone out."""
    cause = error.__cause__ if isinstance(error, SMTPConnectError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ProviderMisconfigured("smtp_certificate", shown(f"bad certificate: {cause.verify_message}"))
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
        return ProviderMisconfigured("smtp_tls_failed", shown(f"no TLS: {cause.reason or cause}"))
    if isinstance(error, SMTPConnectError):
        return TransientFailure("smtp_connect_failed", shown(str(error)))
    return TransientFailure("smtp_connection_lost", shown(str(error) or type(error).__name__))
