"""The sandbox's SMTP server: takes every mail, unless its recipient says otherwise."""

import asyncio
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tidings.domain.providers import NOTIFICATION_HEADER
from tidings.domain.vocabulary import Channel
from tidings.sandbox.behaviour import Behaviour, FailureCount, plan_for
from tidings.sandbox.inbox import Inbox, ReceivedMessage
from tidings.sandbox.mail import parsed_mail

HOSTNAME = "sandbox.tidings.invalid"

_TEMPORARY = "451 4.3.0 Temporary failure, as this recipient asks for"
_PERMANENT = "550 5.1.1 Permanent failure, as this recipient asks for"
_IDLE_SECONDS = 3600.0


class MailHandler:
    """The hooks that aiosmtpd calls."""

    def __init__(self, inbox: Inbox, failures: FailureCount, slow_seconds: float) -> None:
        self._inbox = inbox
        self._failures = failures
        self._slow_seconds = slow_seconds

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse recipients that always fail. Those that fail a few times wait for DATA, which has the id."""
        plan = plan_for(Channel.EMAIL, address)
        if plan.behaviour is Behaviour.PERMANENT_FAILURE:
            return _PERMANENT
        if plan.behaviour is Behaviour.TEMPORARY_FAILURE and plan.failures is None:
            return _TEMPORARY
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Take the mail. Behaviour first: a mail stands in the inbox only if its sender is told so."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        mails = [await parsed_mail(content, recipient) for recipient in envelope.rcpt_tos]
        for mail in mails:
            if self._failures.fails(plan_for(Channel.EMAIL, mail.recipient), _key(mail)):
                return _TEMPORARY
        behaviours = {plan_for(Channel.EMAIL, mail.recipient).behaviour for mail in mails}
        if Behaviour.HANG in behaviours:
            await asyncio.Event().wait()
        if Behaviour.SLOW in behaviours:
            await asyncio.sleep(self._slow_seconds)
        kept = [self._inbox.add(mail) for mail in mails]
        return f"250 2.0.0 Ok: queued as {kept[0].number:08X}"


def _key(mail: ReceivedMessage) -> str:
    headers = {name.lower(): value for name, value in mail.headers}
    known = headers.get(NOTIFICATION_HEADER.lower()) or headers.get("message-id", "")
    return f"{mail.recipient} {known}"


class SmtpServer:
    """Listens, and hangs up on everybody when it stops."""

    def __init__(self, handler: MailHandler) -> None:
        self._handler = handler
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Raises OSError if the address is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self._handler, self._connections), host, port
        )

    async def stop(self) -> None:
        """At once, also for connections that wait for an answer."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.transport.close()
        await self._server.wait_closed()


class _Connection(SMTP):
    def __init__(self, handler: MailHandler, connections: "set[_Connection]") -> None:
        super().__init__(
            handler,
            hostname=HOSTNAME,
            ident="Tidings sandbox",
            enable_SMTPUTF8=True,
            timeout=_IDLE_SECONDS,
            # Whatever credentials a sender is set up with, they do here.
            authenticator=_anybody,
            auth_require_tls=False,
            loop=asyncio.get_running_loop(),
        )
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        super().connection_lost(error)


def _anybody(*_: Any) -> AuthResult:
    return AuthResult(success=True)
