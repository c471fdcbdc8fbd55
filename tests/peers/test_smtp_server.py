"""`smtp` against npm's smtp-server: refusals of single recipients, and its mechanisms of log-in."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_string
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from tests.peers.npm import npm_package
from tests.peers.server import server_process
from tests.provider_support import outgoing, provider_settings
from tests.support import free_port
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure, ProviderMisconfigured, SendFailure, TransientFailure
from tidings.providers.protocol import Acceptance
from tidings.providers.smtp import SmtpProvider

PACKAGE = "smtp-server@3.21.6"

pytestmark = pytest.mark.peer(provider="smtp", peer=PACKAGE)

SCRIPT = Path(__file__).with_name("smtp_server.js")
CREDENTIALS = {"smtp_username": "ada", "smtp_password": "secret"}


@dataclass(frozen=True, slots=True)
class Relay:
    """The running server and what it has told."""

    port: int
    log: Path

    def told(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]

    @asynccontextmanager
    async def provider(self, **given: Any) -> AsyncIterator[SmtpProvider]:
        settings = {"smtp_port": self.port, "smtp_tls": "none", **given}
        smtp = SmtpProvider(provider_settings(**settings))
        try:
            yield smtp
        finally:
            await smtp.aclose()


@asynccontextmanager
async def relay(folder: Path, *credentials: str, port: int | None = None) -> AsyncIterator[Relay]:
    modules = await npm_package(PACKAGE)
    port, log = port or free_port(), folder / "smtp-server.log"
    command = ("node", str(SCRIPT), str(port), *credentials)
    async with server_process(*command, port=port, log=log, environment={"NODE_PATH": str(modules)}):
        yield Relay(port, log)


async def failure(smtp: SmtpProvider, recipient: str) -> SendFailure:
    with pytest.raises(SendFailure) as raised:
        await smtp.send(outgoing(Channel.EMAIL, recipient))
    return raised.value


@pytest.mark.parametrize(
    ("recipient", "kind", "code"),
    [
        ("450.ada@example.com", TransientFailure, "smtp_450_4.2.1"),
        ("550.ada@example.com", PermanentFailure, "smtp_550_5.1.1"),
        ("data451.ada@example.com", TransientFailure, "smtp_451_4.3.0"),
        ("data554.ada@example.com", PermanentFailure, "smtp_554_5.6.0"),
    ],
)
@pytest.mark.peer(exercises="450, 550, 451, 554: passing or for good")
async def test_refusals(tmp_path: Path, recipient: str, kind: type[SendFailure], code: str) -> None:
    async with relay(tmp_path) as server, server.provider() as smtp:
        error = await failure(smtp, recipient)
    assert (type(error), error.code) == (kind, code)
    assert server.told("mail") == []


@pytest.mark.peer(exercises="100 mails, some refused, over few connections, each once")
async def test_a_hundred_mails_some_refused_go_over_few_connections_each_once(tmp_path: Path) -> None:
    kinds = {"450.": TransientFailure, "550.": PermanentFailure, "data554.": PermanentFailure}
    prefixes = ["", "450.", "", "550.", "", "data554.", "", "", "", ""] * 10
    messages = [
        outgoing(Channel.EMAIL, f"{prefix}ada{number}@example.com") for number, prefix in enumerate(prefixes)
    ]
    async with relay(tmp_path) as server, server.provider(smtp_connections=4) as smtp:
        results = await asyncio.gather(*map(smtp.send, messages), return_exceptions=True)
    assert [type(result) for result in results] == [kinds.get(prefix, Acceptance) for prefix in prefixes]
    arrived = Counter(recipient for mail in server.told("mail") for recipient in mail["recipients"])
    accepted = [
        message for message, result in zip(messages, results, strict=True) if type(result) is Acceptance
    ]
    assert arrived == Counter(message.recipient for message in accepted)
    by_recipient = {message.recipient: message.key for message in accepted}
    for mail in server.told("mail"):
        headers = message_from_string(mail["content"], policy=default)
        [recipient] = mail["recipients"]
        assert (headers["To"], headers["X-Tidings-Notification"]) == (recipient, by_recipient[recipient])
    assert len(server.told("connection")) - 1 <= 4, "one is the fixture's, to see whether it answers"


@pytest.mark.parametrize("method", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.peer(exercises="PLAIN, LOGIN, CRAM-MD5")
async def test_it_logs_in(tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiosmtplib.SMTP.AUTH_METHODS", (method.lower(),))
    async with relay(tmp_path, "ada", "secret") as server, server.provider(**CREDENTIALS) as smtp:
        await smtp.send(outgoing(Channel.EMAIL, "ada@example.com"))
    assert [told["method"] for told in server.told("auth")] == [method]
    assert len(server.told("mail")) == 1


@pytest.mark.peer(exercises="535: wrong credentials are our set-up")
async def test_wrong_credentials_are_our_setup(tmp_path: Path) -> None:
    given = CREDENTIALS | {"smtp_password": "wrong"}
    async with relay(tmp_path, "ada", "secret") as server, server.provider(**given) as smtp:
        error = await failure(smtp, "ada@example.com")
    assert (type(error), error.code) == (ProviderMisconfigured, "smtp_535_5.7.8")
    assert "wrong" not in str(error)


@pytest.mark.peer(exercises="a restart between two mails loses neither")
async def test_a_relay_that_restarts_between_two_mails_loses_neither(tmp_path: Path) -> None:
    port = free_port()
    smtp = SmtpProvider(provider_settings(smtp_port=port, smtp_tls="none"))
    for _ in range(2):
        async with relay(tmp_path, port=port) as server:
            await smtp.send(outgoing(Channel.EMAIL, "ada@example.com"))
            assert len(server.told("mail")) == 1
    await smtp.aclose()
