"""Peers for the providers' tests: the real sandbox, and servers that misbehave as they are told."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.support import free_port
from tidings.domain.identifiers import new_id
from tidings.domain.vocabulary import Channel
from tidings.providers.protocol import OutgoingMessage
from tidings.sandbox.server import Sandbox
from tidings.settings import ProviderSettings, SandboxSettings

CREATED_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def provider_settings(**given: Any) -> ProviderSettings:
    """Settings that no `.env` of the developer's reaches, with short timeouts."""
    defaults = {"smtp_host": "127.0.0.1", "provider_connect_timeout": 5, "provider_response_timeout": 5}
    return ProviderSettings(_env_file=None, **{**defaults, **given})


def outgoing(channel: Channel, recipient: str, **given: Any) -> OutgoingMessage:
    """A message of that channel."""
    notification_id: UUID = given.pop("notification_id", None) or new_id()
    defaults = {"subject": "Hello", "body": "It works.", "created_at": CREATED_AT}
    return OutgoingMessage(
        notification_id=notification_id, channel=channel, recipient=recipient, **{**defaults, **given}
    )


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox and where it listens."""

    sandbox: Sandbox
    url: str
    smtp_port: int


@asynccontextmanager
async def running_sandbox(**given: Any) -> AsyncIterator[RunningSandbox]:
    """The real sandbox on free ports. `slow` recipients take no time unless told otherwise."""
    port, smtp_port = free_port(), free_port()
    defaults = {"sandbox_port": port, "sandbox_smtp_port": smtp_port, "sandbox_slow_seconds": 0}
    async with Sandbox(SandboxSettings(_env_file=None, **{**defaults, **given})) as sandbox:
        yield RunningSandbox(sandbox, f"http://127.0.0.1:{port}", smtp_port)


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[int]:
    """A TCP server on `port`, by default a free one, the port given; ends all connections when left."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
                await handler(reader, writer)
        finally:
            writer.transport.abort()
            tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


HANG = "hang"
"""Never answer this."""
DROP = "drop"
"""Break the line in place of an answer."""

_REPLIES = {
    "connect": "220 test ESMTP",
    "EHLO": "250-test\r\n250-AUTH PLAIN\r\n250 8BITMIME",
    "HELO": "250 test",
    "STARTTLS": "220 go ahead",
    "AUTH": "235 2.7.0 in",
    "RSET": "250 2.0.0 OK",
    "MAIL": "250 2.1.0 OK",
    "RCPT": "250 2.1.5 OK",
    "DATA": "354 go ahead",
    ".": "250 2.0.0 Ok: queued as 4ABC",
    "QUIT": "221 bye",
}


@dataclass(slots=True)
class ScriptedSmtp:
    """An SMTP server that answers as told. `connect` stands for the greeting, `.` for the end of DATA."""

    replies: dict[str, str] = field(default_factory=dict)
    again: dict[str, str] = field(default_factory=dict)
    """Answers from the second MAIL on."""
    tls: ssl.SSLContext | None = None
    """Offered by STARTTLS."""
    commands: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    connections: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        await self._reply(writer, "connect")
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            self.commands.append(line)
            verb = line.split()[0].upper()
            await self._reply(writer, verb)
            if verb == "STARTTLS" and self.tls is not None:
                await writer.start_tls(self.tls)
            elif verb == "DATA" and self._answer("DATA").startswith("354"):
                self.contents.append(await reader.readuntil(b"\r\n.\r\n"))
                await self._reply(writer, ".")

    def _answer(self, verb: str) -> str:
        answer = self.replies.get(verb, _REPLIES.get(verb, "500 what?"))
        if self.again and sum(command.startswith("MAIL") for command in self.commands) > 1:
            answer = self.again.get(verb, answer)
        return (
            answer.replace("250-test", "250-test\r\n250-STARTTLS") if verb == "EHLO" and self.tls else answer
        )

    async def _reply(self, writer: asyncio.StreamWriter, verb: str) -> None:
        answer = self._answer(verb)
        if answer == HANG:
            await asyncio.Event().wait()
        if answer == DROP:
            raise ConnectionAbortedError
        writer.write(answer.encode() + b"\r\n")
        await writer.drain()


@dataclass(frozen=True, slots=True)
class OneByOne:
    """Serves each connection by the next script, the last one for all that follow."""

    scripts: list[ScriptedSmtp]

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        fresh = (script for script in self.scripts if not script.connections)
        await next(fresh, self.scripts[-1])(reader, writer)


def certificate(folder: Path, name: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context with a self-signed certificate for an address, and the certificate's file."""
    key, file = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", "/CN=test", "-addext", f"subjectAltName=IP:{name}"),
            *("-keyout", str(key), "-out", str(file)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context, file
