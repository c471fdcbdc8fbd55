"""`ses` and `sns` against Moto's server; the sandbox against AWS's own client for Python."""

import email
import email.policy
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.aws import ses, sns
from tests.peers.programs import SCRIPTS, json_of
from tests.peers.pypi import pypi_package
from tests.peers.server import server_process
from tests.provider_support import outgoing, running_sandbox
from tests.support import free_port
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure, ProviderMisconfigured, SendFailure
from tidings.providers.protocol import OutgoingAttachment, Provider

MOTO = "moto[server]==5.2.5"

pytestmark = pytest.mark.peer(peer=MOTO)


@pytest.fixture(scope="module")
def packages() -> Path:
    """Moto, and boto3, which it brings along."""
    return pypi_package(MOTO)


@pytest.fixture(scope="module")
async def moto(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Moto's server, where `example.com` is a verified domain."""
    pytest.importorskip("aiobotocore", reason="the extra `aws` is not installed")
    port, log = free_port(), tmp_path_factory.mktemp("moto") / "output.log"
    script = str(SCRIPTS / "moto_server.py")
    async with server_process(
        *(sys.executable, script, str(port)), port=port, log=log, environment={"PYTHONPATH": str(packages)}
    ):
        url = f"http://127.0.0.1:{port}"
        signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=A/20260304/eu-west-1/ses/aws4_request"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{url}/v2/email/identities", json={"EmailIdentity": "example.com"}, headers=signed
            ) as response,
        ):
            assert response.status == 200, await response.text()
        yield url


async def sent(moto: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"{moto}/sent") as response:
        found: dict[str, Any] = await response.json()
        return found


async def refused(provider: Provider, channel: Channel, recipient: str, **given: Any) -> SendFailure:
    with pytest.raises(SendFailure) as raised:
        await provider.send(outgoing(channel, recipient, **given))
    await provider.aclose()
    return raised.value


@pytest.mark.peer(provider="ses", exercises="every mail is taken and read back")
async def test_moto_takes_the_mails_of_ses(moto: str) -> None:
    provider = ses(moto)
    for subject, body, html in (("Hello", "It works.", None), ("Grüße", "日本語\n.\n", "<b>日本語 📦</b>")):
        message = outgoing(Channel.EMAIL, "ada@bücher.example", subject=subject, body=body, html=html)
        acceptance = await provider.send(message)
        mail = (await sent(moto))["mails"][acceptance.reference]
        assert mail["source"] == "notifications@example.com"
        assert set(mail["to"]) == {"ada@xn--bcher-kva.example"}
        content = email.message_from_string(mail["content"], policy=email.policy.default)
        assert (content["Subject"], content["Message-ID"]) == (subject, f"<{message.key}@example.com>")
        text, rich = content.get_body(("plain",)), content.get_body(("html",))
        assert text is not None
        assert text.get_content().splitlines() == body.splitlines()
        assert (rich and rich.get_content().strip()) == html
    await provider.aclose()


@pytest.mark.peer(provider="ses", exercises="attachments arrive as they are")
async def test_moto_takes_files_as_they_are(moto: str) -> None:
    provider = ses(moto)
    file = OutgoingAttachment("Rechnung №7 日本語.pdf", "application/pdf", bytes(range(256)) * 40)
    acceptance = await provider.send(outgoing(Channel.EMAIL, "ada@example.com", attachments=[file]))
    await provider.aclose()
    mail = (await sent(moto))["mails"][acceptance.reference]
    content = email.message_from_string(mail["content"], policy=email.policy.default)
    [part] = content.iter_attachments()
    assert (part.get_filename(), part.get_content()) == (file.filename, file.content)


@pytest.mark.peer(provider="ses", exercises="a sender that is not verified is our set-up")
async def test_moto_refuses_a_sender_that_is_not_verified(moto: str) -> None:
    provider = ses(moto, ses_from="n@elsewhere.example")
    failure = await refused(provider, Channel.EMAIL, "ada@example.com")
    assert (type(failure), failure.code) == (ProviderMisconfigured, "ses_MessageRejected")


@pytest.mark.peer(provider="sns", exercises="every SMS is taken and read back")
async def test_moto_takes_the_messages_of_sns(moto: str) -> None:
    provider = sns(moto, sns_sender_id="Tidings", sns_origination_number="+14155552345")
    for body in ("It works.", "a=b&c d+e%20\nf", "日本語 📦"):
        acceptance = await provider.send(outgoing(Channel.SMS, "+14155550100", body=body))
        assert acceptance.reference is not None
        assert (await sent(moto))["sms"][acceptance.reference] == ["+14155550100", body]
    await provider.aclose()


@pytest.mark.parametrize(
    ("recipient", "body"), [("NAA+15551234567", "It works."), ("+14155550100", "x" * 1601)]
)
@pytest.mark.peer(provider="sns", exercises="a number that is none, a text too long: for good")
async def test_moto_refuses_a_number_that_is_none_and_a_text_too_long(
    moto: str, recipient: str, body: str
) -> None:
    failure = await refused(sns(moto), Channel.SMS, recipient, body=body)
    assert (type(failure), failure.code) == (PermanentFailure, "sns_InvalidParameter")


@pytest.mark.peer(
    provider="ses, sns", peer=f"boto3 of {MOTO}", exercises="the sandbox is Amazon to it, errors too"
)
async def test_the_sandbox_is_amazon_to_amazons_own_client(packages: Path) -> None:
    words = ("ada", "temporary-failure", "permanent-failure")
    async with running_sandbox() as running:
        results = await json_of(
            *(sys.executable, str(SCRIPTS / "aws_client.py")),
            given={
                "url": running.url,
                "mails": [f"{word}@example.com" for word in words],
                "sms": ["+14155550100", "+14155550001", "+14155550002"],
            },
            environment={"PYTHONPATH": str(packages)},
        )
        received = {(message.provider, message.recipient, message.body) for message in running.sandbox.inbox}
    assert received == {("ses", "ada@example.com", "It works."), ("sns", "+14155550100", "It works.")}
    accepted, *failures = results["mails"]
    assert accepted["id"]
    assert failures == [
        {"code": "TooManyRequestsException", "kind": "TooManyRequestsException", "status": 429},
        {"code": "BadRequestException", "kind": "BadRequestException", "status": 400},
    ]
    accepted, *failures = results["sms"]
    assert accepted["id"]
    assert failures == [
        {"code": "Throttled", "kind": "ThrottledException", "status": 429},
        {"code": "InvalidParameter", "kind": "InvalidParameterException", "status": 400},
    ]
