"""`smtp` uses connections again, and never loses track of a message by it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.held_mail import held_mail
from tests.provider_support import (
    DROP,
    HANG,
    Handler,
    OneByOne,
    ScriptedSmtp,
    outgoing,
    provider_settings,
    serving,
)
from tests.support import eventually
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure, SendFailure, TransientFailure, UnknownOutcome
from tidings.providers.protocol import OutgoingMessage
from tidings.providers.smtp import SmtpProvider


def mail_to(recipient: str = "ada@example.com", **given: Any) -> OutgoingMessage:
    return outgoing(Channel.EMAIL, recipient, **given)


@asynccontextmanager
async def speaking_to(server: Handler, **settings: Any) -> AsyncIterator[SmtpProvider]:
    async with serving(server) as port:
        given = {"smtp_port": port, "smtp_tls": "none", **settings}
        provider = SmtpProvider(provider_settings(**given))
        try:
            yield provider
        finally:
            await provider.aclose()


async def failure(provider: SmtpProvider, message: OutgoingMessage | None = None) -> SendFailure:
    with pytest.raises(SendFailure) as raised:
        await provider.send(message or mail_to())
    return raised.value


def verbs(server: ScriptedSmtp) -> list[str]:
    return [line.split()[0] for line in server.commands]


async def test_a_connection_greets_and_logs_in_once() -> None:
    server = ScriptedSmtp()
    async with speaking_to(server, smtp_username="u", smtp_password="p") as provider:
        for _ in range(3):
            await provider.send(mail_to())
    assert server.connections == 1
    assert verbs(server)[:8] == ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "MAIL", "RCPT", "DATA"]


async def test_a_hundred_mails_at_once_go_over_a_few_connections_each_to_its_own_recipient() -> None:
    server = ScriptedSmtp()
    messages = [mail_to(f"ada{number}@example.com", body=f"For {number}.") for number in range(100)]
    async with speaking_to(server, smtp_connections=4) as provider:
        await asyncio.gather(*(provider.send(message) for message in messages))
    assert server.connections <= 4
    recipients = Counter(line for line in server.commands if line.startswith("RCPT"))
    assert recipients == Counter(f"RCPT TO:<{message.recipient}>" for message in messages)
    assert len(server.contents) == 100
    for message in messages:
        [content] = [content for content in server.contents if message.key.encode() in content]
        assert f"To: {message.recipient}\r\n".encode() in content
        assert f"\r\n\r\n{message.body}\r\n".encode() in content


async def test_a_connection_is_replaced_after_so_many_mails() -> None:
    server = ScriptedSmtp()
    async with speaking_to(server, smtp_connection_mails=10) as provider:
        for _ in range(25):
            await provider.send(mail_to())
    assert server.connections == 3


async def test_a_connection_that_nobody_needs_is_closed() -> None:
    server = ScriptedSmtp()
    async with speaking_to(server, smtp_connection_idle=0) as provider:
        await provider.send(mail_to())
        await eventually(lambda: verbs(server).count("QUIT") == 1)
        await provider.send(mail_to())
    assert server.connections == 2


async def test_closing_takes_leave_of_every_connection() -> None:
    server = ScriptedSmtp()
    async with serving(server) as port:
        provider = SmtpProvider(provider_settings(smtp_port=port, smtp_tls="none"))
        await asyncio.gather(*(provider.send(mail_to()) for _ in range(3)))
        await provider.aclose()
        await eventually(lambda: verbs(server).count("QUIT") == server.connections)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("ending", [DROP, "421 4.4.2 idle for too long", "421 4.7.0 too many mails"])
async def test_a_used_connection_that_dies_before_the_message_is_out_is_replaced(
    verb: str, ending: str
) -> None:
    dying, second = ScriptedSmtp(again={verb: ending}), ScriptedSmtp()
    first_mail, second_mail = mail_to(), mail_to()
    async with speaking_to(OneByOne([dying, second])) as provider:
        await provider.send(first_mail)
        await provider.send(second_mail)
        await provider.send(mail_to())
    assert first_mail.key.encode() in dying.contents[0]
    assert len(dying.contents) == 1
    assert second_mail.key.encode() in second.contents[0]
    assert (dying.connections, second.connections) == (1, 1)


async def test_a_used_connection_that_has_gone_silent_is_replaced_in_time() -> None:
    dying, second = ScriptedSmtp(again={"MAIL": HANG}), ScriptedSmtp()
    async with speaking_to(OneByOne([dying, second]), provider_connect_timeout=1) as provider:
        await provider.send(mail_to())
        await provider.send(mail_to())
    assert len(second.contents) == 1


async def test_connections_the_server_has_closed_meanwhile_are_not_tried() -> None:
    server = ScriptedSmtp()
    async with serving(server) as port:
        provider = SmtpProvider(provider_settings(smtp_port=port, smtp_tls="none"))
        await asyncio.gather(*(provider.send(mail_to()) for _ in range(5)))
    assert (await failure(provider)).code == "smtp_connect_failed"
    again = ScriptedSmtp()
    async with serving(again, port=port):
        await provider.send(mail_to())
    await provider.aclose()
    assert len(again.contents) == 1


async def test_a_fresh_connection_that_dies_is_not_replaced() -> None:
    server = ScriptedSmtp({"MAIL": DROP})
    async with speaking_to(server) as provider:
        assert type(await failure(provider)) is TransientFailure
    assert server.connections == 1


@pytest.mark.parametrize("ending", [DROP, HANG])
async def test_a_used_connection_that_dies_after_the_message_is_out_leaves_it_unknown(ending: str) -> None:
    dying, second = ScriptedSmtp(again={".": ending}), ScriptedSmtp()
    async with speaking_to(OneByOne([dying, second]), provider_response_timeout=0.2) as provider:
        await provider.send(mail_to())
        assert type(await failure(provider)) is UnknownOutcome
        await provider.send(mail_to())
    assert (len(dying.contents), len(second.contents)) == (2, 1)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("reply", ["450 4.2.1 later", "550 5.1.1 unknown"])
async def test_a_refused_mail_leaves_the_connection_to_the_next_one(verb: str, reply: str) -> None:
    server = ScriptedSmtp(again={verb: reply})
    async with speaking_to(server) as provider:
        await provider.send(mail_to())
        kind = TransientFailure if reply.startswith("4") else PermanentFailure
        assert type(await failure(provider)) is kind
        server.again.clear()
        await provider.send(mail_to())
    assert server.connections == 1
    assert verbs(server)[-4:] == ["RSET", "MAIL", "RCPT", "DATA"]
    assert len(server.contents) == (3 if verb == "." else 2)


async def test_a_server_that_will_not_forget_a_refused_mail_is_left() -> None:
    first, second = ScriptedSmtp({"RCPT": "550 5.1.1 no", "RSET": "500 what?"}), ScriptedSmtp()
    async with speaking_to(OneByOne([first, second])) as provider:
        assert type(await failure(provider)) is PermanentFailure
        await provider.send(mail_to())
    assert len(second.contents) == 1


async def test_a_mail_that_the_server_cannot_write_to_leaves_the_connection_to_the_next_one() -> None:
    server = ScriptedSmtp()
    async with speaking_to(server) as provider:
        await provider.send(mail_to())
        assert (await failure(provider, mail_to("zoë@example.com"))).code == "smtputf8_missing"
        await provider.send(mail_to())
    assert server.connections == 1
    assert "RSET" not in verbs(server)


async def test_a_cancelled_mail_takes_its_connection_with_it() -> None:
    hanging, second = ScriptedSmtp(again={".": HANG}), ScriptedSmtp()
    async with speaking_to(OneByOne([hanging, second])) as provider:
        await provider.send(mail_to())
        sending = asyncio.create_task(provider.send(mail_to()))
        await eventually(lambda: len(hanging.contents) == 2)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await provider.send(mail_to())
    assert len(second.contents) == 1


async def test_a_mail_that_finds_no_connection_free_in_time_was_not_sent() -> None:
    async with held_mail() as server:
        server.hold()
        given = {"smtp_port": server.port, "smtp_connections": 1, "provider_connect_timeout": 0.3}
        provider = SmtpProvider(provider_settings(**given))
        first = asyncio.create_task(provider.send(mail_to()))
        await eventually(lambda: server.waiting)
        busy = await failure(provider)
        assert (type(busy), busy.code) == (TransientFailure, "smtp_busy")
        server.let_go()
        await first
        await provider.send(mail_to())
        await provider.aclose()
        assert server.answered == 2


async def test_a_refused_log_in_is_not_tried_by_another_mechanism() -> None:
    server = ScriptedSmtp(
        {"EHLO": "250-test\r\n250 AUTH PLAIN LOGIN CRAM-MD5", "AUTH": "535 5.7.8 wrong credentials"}
    )
    async with speaking_to(server, smtp_username="u", smtp_password="p") as provider:
        assert (await failure(provider)).code == "smtp_535_5.7.8"
    assert [line.split()[1] for line in server.commands if line.startswith("AUTH")] == ["CRAM-MD5", "PLAIN"]


async def test_a_server_that_hangs_up_on_a_refused_log_in_has_refused_it() -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in ("220 test", "250-test\r\n250 AUTH LOGIN CRAM-MD5", "504 5.5.4 not that one"):
            writer.write(f"{answer}\r\n".encode())
            await reader.readline()

    async with speaking_to(server, smtp_username="u", smtp_password="p") as provider:
        assert (await failure(provider)).code == "smtp_504_5.5.4"
