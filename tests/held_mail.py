"""A mail server that answers when it is told to: sends stay under way for exactly as long as a test wants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support import free_port
from tidings.sandbox.behaviour import FailureCount
from tidings.sandbox.inbox import Inbox, ReceivedMessage
from tidings.sandbox.mail import parse_mail
from tidings.sandbox.smtp_server import MailHandler, SmtpServer

KEPT_FIRST = "kept-first"
"""Recipients beginning with this have their mail in the inbox before the answer: whoever hangs up meanwhile
has sent it. All others have it only once the answer goes out: whoever hangs up before has not."""


class HeldMail(MailHandler):
    """The sandbox's mail handler; from `hold` on, mails that have come in wait for their answer."""

    def __init__(self) -> None:
        self.inbox = Inbox(10_000)
        super().__init__(self.inbox, FailureCount(), slow_seconds=0)
        self.port = free_port()
        self.waiting: list[ReceivedMessage] = []
        """What came in and has no answer yet."""
        self.answered = 0
        self._held = False
        self._answers = asyncio.Semaphore(0)

    def hold(self) -> None:
        """Answer no mail from now on."""
        self._held = True

    def answer(self, count: int) -> None:
        """Answer so many mails: of those that wait first, then of those to come."""
        for _ in range(count):
            self._answers.release()

    def let_go(self) -> None:
        """Answer all that wait, and all that follow at once."""
        self._held = False
        self.answer(len(self.waiting))

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the mail and answer, in the order that its recipient asks for."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        mail = parse_mail(content, envelope.rcpt_tos[0])
        first = mail.recipient.startswith(KEPT_FIRST)
        if first:
            self.inbox.add(mail)
        self.waiting.append(mail)
        try:
            if self._held:
                await self._answers.acquire()  # cancelled if the sender hangs up
        finally:
            self.waiting.remove(mail)
        if not first:
            self.inbox.add(mail)
        self.answered += 1
        return "250 2.0.0 Ok"


@asynccontextmanager
async def held_mail() -> AsyncIterator[HeldMail]:
    """Listen on `port` of 127.0.0.1 for the block."""
    handler = HeldMail()
    server = SmtpServer(handler)
    await server.start("127.0.0.1", handler.port)
    try:
        yield handler
    finally:
        handler.let_go()
        await server.stop()
