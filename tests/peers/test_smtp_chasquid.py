"""`smtp` against chasquid: a real mail server with STARTTLS, implicit TLS, log-in and mailboxes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.delivering import deliver
from tests.peers.chasquid import DOMAIN, PASSWORD, USER, Chasquid, running_chasquid
from tests.provider_support import outgoing, provider_settings
from tests.support import eventually
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure, ProviderMisconfigured, SendFailure
from tidings.providers.protocol import Acceptance, OutgoingMessage
from tidings.providers.smtp import SmtpProvider

pytestmark = pytest.mark.peer(provider="smtp", peer="chasquid")


@pytest.fixture(scope="module")
async def chasquid(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chasquid]:
    async with running_chasquid(tmp_path_factory.mktemp("chasquid")) as server:
        yield server


@pytest.fixture(autouse=True)
def trusted(chasquid: Chasquid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(chasquid.certificate))


def provider(server: Chasquid, **given: Any) -> SmtpProvider:
    settings = {
        "smtp_port": server.submission_port,
        "smtp_tls": "starttls",
        "smtp_username": USER,
        "smtp_password": PASSWORD,
        "smtp_from": f"Tidings <{USER}>",
        **given,
    }
    return SmtpProvider(provider_settings(**settings))


async def send(server: Chasquid, message: OutgoingMessage, **given: Any) -> Acceptance:
    return await deliver(provider(server, **given), message)


async def failure(server: Chasquid, recipient: str = USER, **given: Any) -> SendFailure:
    with pytest.raises(SendFailure) as raised:
        await send(server, outgoing(Channel.EMAIL, recipient), **given)
    return raised.value


@pytest.mark.parametrize("mode", ["auto", "starttls", "implicit"])
@pytest.mark.peer(exercises="STARTTLS and implicit TLS: a mail arrives once")
async def test_a_mail_arrives_over_every_kind_of_tls(chasquid: Chasquid, mode: str) -> None:
    implicit = mode == "implicit"
    port = chasquid.submission_tls_port if implicit else chasquid.submission_port
    message = outgoing(Channel.EMAIL, USER, subject="Grüße 日本語 🎉", body="Zeile\n.\n", html="<p>Hi</p>")
    await send(chasquid, message, smtp_tls=mode, smtp_port=port)
    await eventually(lambda: f"Message-ID: <{message.key}@{DOMAIN}>" in chasquid.mailbox(USER))
    assert chasquid.mailbox(USER).count(f"X-Tidings-Notification: {message.key}\n") == 1


@pytest.mark.peer(exercises="the certificate is checked")
async def test_the_certificate_is_checked(chasquid: Chasquid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    error = await failure(chasquid)
    assert (type(error), error.code) == (ProviderMisconfigured, "smtp_certificate")


@pytest.mark.peer(exercises="535 5.7.8: a wrong password is our set-up")
async def test_a_wrong_password_is_our_setup(chasquid: Chasquid) -> None:
    error = await failure(chasquid, smtp_password="wrong")
    assert (type(error), error.code) == (ProviderMisconfigured, "smtp_535_5.7.8")


@pytest.mark.peer(exercises="550 5.7.9: no log-in is our set-up")
async def test_without_a_log_in_it_is_our_setup(chasquid: Chasquid) -> None:
    error = await failure(chasquid, smtp_username=None)
    assert (type(error), error.code) == (ProviderMisconfigured, "smtp_550_5.7.9")


@pytest.mark.peer(exercises="550 5.1.1: no such mailbox is for good")
async def test_an_unknown_mailbox_is_permanent(chasquid: Chasquid) -> None:
    error = await failure(chasquid, f"nobody@{DOMAIN}")
    assert (type(error), error.code) == (PermanentFailure, "smtp_550_5.1.1")


@pytest.mark.peer(exercises="100 mails over 3 connections")
async def test_many_mails_go_over_few_connections(chasquid: Chasquid) -> None:
    accepted, logged_in = chasquid.accepted(), chasquid.connections()
    smtp = provider(chasquid, smtp_connections=3)
    await asyncio.gather(*(smtp.send(outgoing(Channel.EMAIL, USER)) for _ in range(100)))
    await smtp.aclose()
    assert chasquid.accepted() - accepted == 100
    assert chasquid.connections() - logged_in <= 3


@pytest.mark.peer(exercises="among refused mails the others arrive once each")
async def test_among_refused_mails_the_others_arrive_once_each(chasquid: Chasquid) -> None:
    """chasquid answers the third refused recipient of a connection with 421 instead of 550, and hangs up."""
    messages = [
        outgoing(Channel.EMAIL, f"nobody{number}@{DOMAIN}" if number % 2 else USER) for number in range(40)
    ]
    smtp = provider(chasquid, smtp_connections=3)
    results = await asyncio.gather(*map(smtp.send, messages), return_exceptions=True)
    await smtp.aclose()
    for number, result in enumerate(results):
        assert type(result) is (PermanentFailure if number % 2 else Acceptance)
    taken = [
        message.key
        for message, result in zip(messages, results, strict=True)
        if isinstance(result, Acceptance)
    ]

    def delivered() -> bool:
        box = chasquid.mailbox(USER)
        return all(box.count(f"Message-ID: <{key}@") == 1 for key in taken)

    await eventually(delivered)


@pytest.mark.peer(exercises="a recipient outside ASCII (SMTPUTF8)")
async def test_a_recipient_outside_ascii_is_written_to(chasquid: Chasquid) -> None:
    error = await failure(chasquid, f"zoë@{DOMAIN}")
    assert error.code == "smtp_550_5.1.1"
