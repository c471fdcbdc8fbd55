"""One connection to a mail server: greeted, encrypted and logged in once, then used for mail after mail.

The steps are taken one by one, not by aiosmtplib's `send_message`, because what an error means hangs on the
step: until the message's last line goes out a broken line is passing; after it the outcome is unknown.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPDataError,
    SMTPException,
    SMTPHeloError,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.mail import Mail
from tidings.providers.smtp_outcome import Stage, failure_for
from tidings.providers.wording import shown
from tidings.settings import ProviderSettings, SmtpTls

SILENT = "smtp_timeout"
"""The code of a failure by silence."""

_START_INPUT = 354
_COMPLETED = 250
_CLOSING = 421
_WRONG_CREDENTIALS = 535


class SmtpConnection:
    """Every method raises SendFailure; after one that left the line in doubt, `usable` is false.

    `tls` is None where `smtp_tls` is `none`.
    """

    def __init__(self, settings: ProviderSettings, tls: ssl.SSLContext | None) -> None:
        self._settings = settings
        self._where = f"{settings.smtp_host}:{settings.smtp_port}"
        self._tls = tls
        implicit = settings.smtp_tls is SmtpTls.IMPLICIT
        self._client = SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            timeout=None,
            use_tls=implicit,
            start_tls=False,
            tls_context=tls if implicit else None,
            # Set on the connection; given here so that no name server is asked for it.
            local_hostname="localhost",
        )
        self._transaction_open = False
        self.mails = 0
        """How many mails it has carried."""

    @property
    def usable(self) -> bool:
        """Whether the line stands, as far as anybody has heard."""
        return self._client.protocol is not None and self._client.is_connected

    async def open(self) -> None:
        """Connect, encrypt, log in."""
        try:
            with self._step(Stage.SESSION):
                await self._client.connect()
                self._client.local_hostname = _greeting_name(self._client)
                await _greet(self._client)
                if self._settings.smtp_tls in (SmtpTls.AUTO, SmtpTls.STARTTLS):
                    await self._start_tls()
                if self._settings.smtp_username:
                    await self._log_in(self._settings.smtp_username)
        except BaseException:
            self.abort()
            raise

    async def envelope(self, sender: str, mail: Mail, patience: float | None = None) -> None:
        """All up to the server's "go ahead". Whatever breaks here, the message has not gone out.

        `patience`: seconds until a connection that does not answer its first command counts as lost.
        """
        options = []
        if mail.smtputf8:
            if self.usable and not self._client.supports_extension("smtputf8"):
                raise PermanentFailure(
                    "smtputf8_missing", "the mail server cannot write to an address outside ASCII"
                )
            options.append("SMTPUTF8")
        encoding = "utf-8" if mail.smtputf8 else "ascii"
        try:
            with self._step(Stage.SENDER):
                async with asyncio.timeout(patience):
                    await self._reset()
                    self._transaction_open = True
                    await self._client.mail(sender, options=options, encoding=encoding)
        except TimeoutError as error:
            raise TransientFailure(SILENT, "the server did not answer in time") from error
        with self._step(Stage.RECIPIENT):
            await self._client.rcpt(mail.recipient, encoding=encoding)
        with self._step(Stage.CONTENT):
            reply = await self._client.execute_command(b"DATA")
            if reply.code != _START_INPUT:
                raise SMTPDataError(reply.code, reply.message)

    async def transmit(self, mail: Mail) -> str:
        """Send the content; the accepting reply's text. A reply is a clear answer, silence is none."""
        protocol = self._client.protocol
        if protocol is None:
            # Nothing of the content has gone out yet.
            raise TransientFailure("smtp_connection_lost", "the server closed the connection")
        try:
            async with asyncio.timeout(self._settings.provider_response_timeout):
                protocol.write(mail.wire)
                reply = await protocol.read_response()
        except BaseException as error:
            self.abort()
            if isinstance(error, TimeoutError):
                what = "no answer in time after the message had gone out"
            elif isinstance(error, SMTPException | OSError):
                what = f"the line broke after the message had gone out: {error}"
            else:
                raise
            raise UnknownOutcome("smtp_no_answer", shown(what)) from error
        if reply.code == _COMPLETED:
            self._transaction_open = False
            self.mails += 1
            return reply.message
        if reply.code == _CLOSING or not 400 <= reply.code < 600:
            self.abort()
        if 400 <= reply.code < 600:
            raise failure_for(reply.code, reply.message, Stage.CONTENT)
        raise UnknownOutcome("smtp_no_answer", shown(f"unexpected reply {reply.code}: {reply.message}"))

    def close(self) -> None:
        """Take leave. The server's answer to that is not waited for: it could say nothing that matters."""
        if self._client.protocol is not None and self._client.is_connected:
            self._client.protocol.write(b"QUIT\r\n")
        self._client.close()

    def abort(self) -> None:
        """Hang up at once: `close` would wait for a peer that may have stopped reading."""
        transport = self._client.transport
        if transport is not None:
            # By name: the transports of other loops, such as uvloop's, are no asyncio.WriteTransport.
            getattr(transport, "abort", transport.close)()
        self._client.close()

    @contextmanager
    def _step(self, stage: Stage) -> Iterator[None]:
        try:
            yield
        except SMTPResponseException as error:
            if not 400 <= error.code < 600:
                # What comes next would be read as the answer to something else.
                self.abort()
            raise failure_for(error.code, error.message, stage) from error
        except SendFailure:
            raise
        except TimeoutError:
            self.abort()
            raise
        except (SMTPException, OSError) as error:
            self.abort()
            raise _broken_line(error, self._where) from error
        except BaseException:
            self.abort()
            raise

    async def _reset(self) -> None:
        """Make the server forget a mail that it refused."""
        if not self._transaction_open:
            return
        try:
            await self._client.rset()
        except SMTPResponseException as error:
            self.abort()
            raise TransientFailure("smtp_connection_lost", shown(f"RSET: {error.message}")) from error

    async def _start_tls(self) -> None:
        if self._client.supports_extension("starttls"):
            await self._client.starttls(tls_context=self._tls)
            await _greet(self._client)
        elif self._settings.smtp_tls is SmtpTls.STARTTLS:
            raise ProviderMisconfigured("smtp_tls_missing", "the server does not offer STARTTLS")
        elif self._settings.smtp_username:
            raise ProviderMisconfigured(
                "smtp_tls_missing",
                "the server does not offer STARTTLS; TIDINGS_SMTP_TLS=none would send the password in clear",
            )

    async def _log_in(self, username: str) -> None:
        """By each mechanism that is offered, until one is taken or says that the credentials are wrong.

        Only CRAM-MD5 is not believed: servers offer it that have no passwords to check it with.
        """
        password = self._settings.smtp_password.get_secret_value() if self._settings.smtp_password else ""
        mechanisms = {
            "cram-md5": self._client.auth_crammd5,
            "plain": self._client.auth_plain,
            "login": self._client.auth_login,
        }
        refusal: SMTPAuthenticationError | None = None
        for name, log_in in mechanisms.items():
            if name not in self._client.supported_auth_methods:
                continue
            try:
                await log_in(username, password)
                return
            except SMTPAuthenticationError as error:
                refusal = error
                if error.code == _WRONG_CREDENTIALS and name != "cram-md5":
                    break
            except SMTPServerDisconnected:
                # A server that has had enough of us has said why in its last answer.
                if refusal is None:
                    raise
                break
        if refusal is not None:
            raise refusal
        raise ProviderMisconfigured("smtp_auth_missing", "the server offers no way to log in that we know")


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


def _broken_line(error: Exception, where: str) -> SendFailure:
    """What an error without a reply means before the message has gone out to `where`."""
    cause = error.__cause__ if isinstance(error, SMTPConnectError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ProviderMisconfigured("smtp_certificate", shown(f"bad certificate: {cause.verify_message}"))
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
        return ProviderMisconfigured("smtp_tls_failed", shown(f"no TLS: {cause.reason or cause}"))
    if isinstance(error, SMTPConnectError):
        return TransientFailure(
            "smtp_connect_failed", shown(f"{where} cannot be reached: {_reason(cause or error)}")
        )
    return TransientFailure("smtp_connection_lost", shown(str(error) or type(error).__name__))


def _reason(cause: BaseException) -> str:
    if isinstance(cause, OSError) and cause.errno is not None:
        # asyncio's own words are "Connect call failed"; a name that is not found has a number below 0.
        return os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)
    return str(cause) or type(cause).__name__
