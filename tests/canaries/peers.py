"""Who is sent to: a mail server and a web server that repeat in their refusals what they were given."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.http_server import http_server
from tests.support import free_port
from tidings.sandbox.behaviour import FailureCount
from tidings.sandbox.inbox import Inbox
from tidings.sandbox.smtp_server import MailHandler, SmtpServer

REFUSED, DEFERRED, LOST = "refused-", "deferred-", "lost-"
"""What recipients begin with: refused for good, put off, or the line is cut once the mail is out."""


class QuotingMail(MailHandler):
    """The sandbox's mail server, which names the recipient in what it says."""

    def __init__(self) -> None:
        self.inbox = Inbox(1_000)
        super().__init__(self.inbox, FailureCount(), slow_seconds=0)
        self.port = free_port()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Say whom it does not want."""
        if address.startswith(REFUSED):
            return f"550 5.1.1 <{address}>: Recipient address rejected: no {address} here"
        if address.startswith(DEFERRED):
            return f"451 4.7.1 <{address}>: greylisted, try {address} later"
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Cut the line, if the recipient says so."""
        if envelope.rcpt_tos[0].startswith(LOST):
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            return "451 4.3.0 nobody hears this"
        return await super().handle_DATA(server, session, envelope)


@asynccontextmanager
async def quoting_mail() -> AsyncIterator[QuotingMail]:
    """Run one for the block."""
    handler = QuotingMail()
    server = SmtpServer(handler)
    await server.start("127.0.0.1", handler.port)
    try:
        yield handler
    finally:
        await server.stop()


@asynccontextmanager
async def echo() -> AsyncIterator[str]:
    """Run a web server for the block: `{url}/{status}/…` answers so, with the request's URL and body."""

    async def answer(request: web.Request) -> web.Response:
        found = re.match(r"/(\d{3})/", request.path)
        said = f"no such target: {request.url}: {await request.text()}"
        return web.Response(status=int(found[1]) if found else 404, text=said)

    async with http_server(web.route("*", "/{path:.*}", answer)) as url:
        yield url
