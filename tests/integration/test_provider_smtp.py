"""`smtp` against the real sandbox, and against a server that fails at every step there is."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.provider_support import (
    DROP,
    HANG,
    ScriptedSmtp,
    certificate,
    outgoing,
    provider_settings,
    running_sandbox,
    serving,
)
from tests.support import eventually, free_port
from tidings.domain.vocabulary import Channel
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.protocol import Acceptance, OutgoingMessage
from tidings.providers.smtp import SmtpProvider

ADA = "ada@example.com"


def mail_to(recipient: str = ADA, **given: Any) -> OutgoingMessage:
    return outgoing(Channel.EMAIL, recipient, **given)


async def send(port: int, message: OutgoingMessage | None = None, **settings: Any) -> Acceptance:
    given = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_tls": "none", **settings}
    provider = SmtpProvider(provider_settings(**given))
    try:
        return await provider.send(message or mail_to())
    finally:
        await provider.aclose()


async def failure(
    server: ScriptedSmtp, message: OutgoingMessage | None = None, **settings: Any
) -> SendFailure:
    async with serving(server) as port:
        with pytest.raises(SendFailure) as raised:
            await send(port, message, **settings)
    return raised.value


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    return certificate(tmp_path_factory.mktemp("certificate"))


async def test_the_mail_arrives_as_it_was_written() -> None:
    message = mail_to(
        "zoë@bücher.example", subject="Grüße 日本語 🎉", body="Zeile 1\n.\n..zwei\n", html="<p>Grüße</p>"
    )
    async with running_sandbox() as running:
        acceptance = await send(running.smtp_port, message, smtp_from="Tidings <no-reply@tidings.example>")
        [mail] = running.sandbox.inbox
    headers = dict(mail.headers)
    assert acceptance.reference == f"{mail.number:08X}"
    assert (mail.recipient, mail.subject) == ("zoë@bücher.example", "Grüße 日本語 🎉")
    assert (mail.body, mail.html) == ("Zeile 1\n.\n..zwei", "<p>Grüße</p>")
    assert mail.notification_id == str(message.notification_id)
    assert headers["Message-ID"] == f"<{message.notification_id}@tidings.example>"
    assert headers["Date"] == "Wed, 04 Mar 2026 05:06:07 +0000"
    assert headers["From"] == "Tidings <no-reply@tidings.example>"


async def test_every_attempt_sends_the_same_bytes_to_one_recipient() -> None:
    message = mail_to(html="<p>Hi</p>")
    server = ScriptedSmtp()
    async with serving(server) as port:
        for _ in range(2):
            assert await send(port, message) == Acceptance(reference="4ABC")
    assert server.contents[0] == server.contents[1]
    assert [line for line in server.commands if line.startswith("RCPT")] == [f"RCPT TO:<{ADA}>"] * 2


async def test_without_a_queue_id_the_message_id_is_the_reference() -> None:
    message = mail_to()
    async with serving(ScriptedSmtp({".": "250 thanks"})) as port:
        acceptance = await send(port, message)
    assert acceptance.reference == f"<{message.notification_id}@tidings.invalid>"


@pytest.mark.parametrize("recipient", ["a@x.example,evil@x.example", "Ada <ada@example.com>", "a@x\r\nDATA"])
async def test_what_could_be_read_as_another_address_is_never_sent(recipient: str) -> None:
    server = ScriptedSmtp()
    error = await failure(server, mail_to(recipient))
    assert type(error) is PermanentFailure
    assert error.code == "recipient_invalid"
    assert server.commands == []


async def test_a_server_without_smtputf8_cannot_reach_an_address_outside_ascii() -> None:
    error = await failure(ScriptedSmtp(), mail_to("zoë@example.com"))
    assert (type(error), error.code) == (PermanentFailure, "smtputf8_missing")


async def test_nobody_listens() -> None:
    port = free_port()
    with pytest.raises(TransientFailure) as raised:
        await send(port)
    assert raised.value.code == "smtp_connect_failed"
    assert raised.value.message == f"127.0.0.1:{port} cannot be reached: Connection refused"


async def test_a_name_that_leads_nowhere() -> None:
    with pytest.raises(TransientFailure) as raised:
        await send(25, smtp_host="nobody.invalid")
    assert raised.value.code == "smtp_connect_failed"
    assert raised.value.message.startswith("nobody.invalid:25 cannot be reached: ")
    assert "Errno" not in raised.value.message


STEPS = ["connect", "EHLO", "MAIL", "RCPT", "DATA"]


@pytest.mark.parametrize("step", STEPS)
async def test_a_line_that_breaks_before_the_message_is_out_is_passing(step: str) -> None:
    server = ScriptedSmtp({step: DROP})
    assert type(await failure(server)) is TransientFailure
    assert server.contents == []


@pytest.mark.parametrize("step", STEPS)
async def test_silence_before_the_message_is_out_is_passing(step: str) -> None:
    error = await failure(ScriptedSmtp({step: HANG}), provider_connect_timeout=0.2)
    assert (type(error), error.code) == (TransientFailure, "smtp_timeout")


@pytest.mark.parametrize("ending", [DROP, HANG, "no reply code at all", "299 what?"])
async def test_without_an_answer_after_the_message_nobody_can_know(ending: str) -> None:
    error = await failure(ScriptedSmtp({".": ending}), provider_response_timeout=0.2)
    assert (type(error), error.code) == (UnknownOutcome, "smtp_no_answer")


@pytest.mark.parametrize("step", [*STEPS, "."])
async def test_a_refusal_for_now_is_passing_at_every_step(step: str) -> None:
    error = await failure(ScriptedSmtp({step: "421 4.3.2 closing down"}))
    assert (type(error), error.code, error.message) == (
        TransientFailure,
        "smtp_421_4.3.2",
        "4.3.2 closing down",
    )


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "."])
async def test_a_refusal_for_good_is_permanent(step: str) -> None:
    error = await failure(ScriptedSmtp({step: "550-5.1.1 no such\r\n550 5.1.1 mailbox"}))
    assert (type(error), error.code) == (PermanentFailure, "smtp_550_5.1.1")
    assert error.message == "5.1.1 no such 5.1.1 mailbox"


@pytest.mark.parametrize("step", ["connect", "EHLO"])
async def test_a_server_that_wants_nothing_from_us_is_our_setup(step: str) -> None:
    assert type(await failure(ScriptedSmtp({step: "554 5.7.1 you are blocked"}))) is ProviderMisconfigured


async def test_a_full_mailbox_empties_again() -> None:
    error = await failure(ScriptedSmtp({"RCPT": "552 5.2.2 mailbox full"}))
    assert (type(error), error.code) == (TransientFailure, "smtp_552_5.2.2")


async def test_a_server_that_knows_only_helo_is_spoken_to() -> None:
    async with serving(ScriptedSmtp({"EHLO": "502 5.5.1 what?"})) as port:
        assert await send(port) == Acceptance(reference="4ABC")


async def test_the_farewell_is_not_waited_for() -> None:
    async with serving(ScriptedSmtp({"QUIT": HANG})) as port:
        assert await send(port) == Acceptance(reference="4ABC")


CREDENTIALS: dict[str, Any] = {"smtp_username": "u", "smtp_password": "hunter2"}


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("535 5.7.8 bad credentials", ProviderMisconfigured),
        ("534 5.7.9 stronger, please", ProviderMisconfigured),
        ("454 4.7.0 later", TransientFailure),
    ],
)
async def test_refused_credentials_are_our_setup_and_are_not_shown(
    reply: str, kind: type[SendFailure]
) -> None:
    error = await failure(ScriptedSmtp({"AUTH": reply}), **CREDENTIALS)
    assert (type(error), error.code) == (kind, f"smtp_{reply[:9].replace(' ', '_')}")
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
async def test_log_in_first_is_our_setup(step: str) -> None:
    error = await failure(ScriptedSmtp({step: "530 5.7.0 Authentication required"}))
    assert (type(error), error.code) == (ProviderMisconfigured, "smtp_530_5.7.0")


async def test_a_server_without_log_in_is_our_setup() -> None:
    error = await failure(ScriptedSmtp({"EHLO": "250 test"}), **CREDENTIALS)
    assert (type(error), error.code) == (ProviderMisconfigured, "smtp_auth_missing")


async def test_required_encryption_that_is_not_offered_sends_nothing() -> None:
    server = ScriptedSmtp()
    error = await failure(server, smtp_tls="starttls")
    assert (type(error), error.code) == (ProviderMisconfigured, "smtp_tls_missing")
    assert [line.split()[0] for line in server.commands] == ["EHLO"]


async def test_credentials_do_not_go_over_an_open_line_by_default() -> None:
    server = ScriptedSmtp()
    error = await failure(server, smtp_tls="auto", **CREDENTIALS)
    assert (type(error), error.code) == (ProviderMisconfigured, "smtp_tls_missing")
    assert not any(line.startswith("AUTH") for line in server.commands)


@pytest.mark.parametrize("mode", ["auto", "starttls"])
async def test_starttls_encrypts_before_the_log_in(
    mode: str, tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, file = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    server = ScriptedSmtp(tls=context)
    async with serving(server) as port:
        assert await send(port, smtp_tls=mode, **CREDENTIALS) == Acceptance(reference="4ABC")
    verbs = [line.split()[0] for line in server.commands]
    assert verbs[:6] == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT"]


async def test_implicit_tls(tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    context, file = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with serving(ScriptedSmtp(), tls=context) as port:
        assert await send(port, smtp_tls="implicit") == Acceptance(reference="4ABC")


@pytest.mark.parametrize("mode", ["auto", "starttls", "implicit"])
async def test_a_certificate_nobody_vouches_for_is_our_setup(
    mode: str, tls: tuple[ssl.SSLContext, Path]
) -> None:
    context, _ = tls
    implicit = mode == "implicit"
    server = ScriptedSmtp(tls=None if implicit else context)
    async with serving(server, tls=context if implicit else None) as port:
        with pytest.raises(ProviderMisconfigured) as raised:
            await send(port, smtp_tls=mode)
        assert raised.value.code == "smtp_certificate"
        unchecked = await send(port, smtp_tls=mode, smtp_verify_certificates=False)
        assert unchecked == Acceptance(reference="4ABC")


async def test_a_server_that_speaks_no_tls_is_our_setup() -> None:
    error = await failure(ScriptedSmtp(), smtp_tls="implicit")
    assert (type(error), error.code) == (ProviderMisconfigured, "smtp_tls_failed")


async def test_a_cancelled_attempt_ends_at_once_and_hangs_up() -> None:
    server = ScriptedSmtp({".": HANG})
    async with serving(server) as port:
        sending = asyncio.create_task(send(port))
        await eventually(lambda: server.contents)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
