"""`twilio` against Twilio's own specification, and Twilio's own client against the sandbox."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest

from tests.peers.npm import npm_package
from tests.peers.prism import PRISM, TWILIO, prism, run_script, twilio_specification
from tests.provider_support import RunningSandbox, outgoing, provider_settings, running_sandbox, serving
from tidings.domain.vocabulary import Channel
from tidings.providers.protocol import OutgoingMessage
from tidings.providers.twilio import TwilioProvider, TwilioSettings
from tidings.settings import ProviderSettings

pytestmark = pytest.mark.peer(provider="twilio", peer=f"{PRISM} with {TWILIO}")

CLIENT_PACKAGE = "twilio@5.8.2"

ACCOUNT, SERVICE, KEY = ("AC" + "a" * 32, "MG" + "b" * 32, "SK" + "c" * 32)
WITH_NUMBER = {"twilio_auth_token": "token", "twilio_from": "+14155552345"}
WITH_SERVICE = {
    "twilio_api_key": KEY,
    "twilio_api_secret": "secret",
    "twilio_messaging_service_sid": SERVICE,
}
WITH_BOTH = {**WITH_SERVICE, "twilio_from": "Tidings"}
BODIES = ["It works.", "Kód 7 & 8 = 📦+", "x" * 1600, "字" * 1600, "two\nlines\r\nthree", "a=b&c%20d;e"]

CLIENT = """
const { Twilio, RequestClient } = require("twilio");
const [url, account, to, body] = process.argv.slice(1);
class Redirected extends RequestClient {
  request(options) {
    return super.request({ ...options, uri: options.uri.replace("https://api.twilio.com", url) });
  }
}
const client = new Twilio(account, "token", { httpClient: new Redirected() });
client.messages.create({ to, body, from: "+14155552345" }).then(
  (message) => console.log(JSON.stringify({ ...message.toJSON(), created: message.dateCreated.getTime() })),
  (error) => console.log(JSON.stringify({ code: error.code, status: error.status, message: error.message })),
);
"""


@pytest.fixture(scope="module")
async def specification(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return await twilio_specification(tmp_path_factory.mktemp("twilio"))


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


def twilio(url: str, settings: ProviderSettings | None = None, **given: Any) -> TwilioProvider:
    own = TwilioSettings(_env_file=None, twilio_url=url, **{"twilio_account_sid": ACCOUNT, **given})
    return TwilioProvider(settings or provider_settings(), own)


def sms(body: str = "It works.", recipient: str = "+14155550100") -> OutgoingMessage:
    return outgoing(Channel.SMS, recipient, subject=None, body=body)


@pytest.mark.parametrize("given", [WITH_NUMBER, WITH_SERVICE, WITH_BOTH])
@pytest.mark.peer(exercises="every request is valid by the specification")
async def test_every_request_is_valid_by_twilios_specification(mock: str, given: dict[str, str]) -> None:
    provider = twilio(mock, provider_settings(public_url="https://notify.example.com"), **given)
    for body in BODIES:
        assert (await provider.send(sms(body))).reference is not None
    await provider.aclose()


@pytest.mark.peer(exercises="what is not valid is refused")
async def test_the_specification_is_in_force(mock: str) -> None:
    """What is not valid is refused, or the test above would show nothing."""
    url = f"{mock}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    login = {"Authorization": "Basic dTpw"}
    good = {"To": "+14155550100", "Body": "x"}
    async with aiohttp.ClientSession() as session:
        for form, headers, status in (
            (good, login, 201),
            ({"Body": "x"}, login, 422),
            ({**good, "MessagingServiceSid": "MG1"}, login, 422),
            (good, {}, 401),
        ):
            async with session.post(url, data=form, headers=headers) as response:
                assert response.status == status, form
        async with session.post(url.replace("AC", "SM"), data=good, headers=login) as response:
            assert response.status == 422


def fields_of(specification: Path) -> set[str]:
    [path] = json.loads(specification.read_text())["paths"].values()
    form = path["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    return set(form["properties"])


@pytest.mark.peer(exercises="every field is one of the specification")
async def test_every_field_is_one_of_twilios(specification: Path) -> None:
    """Prism passes over form fields that the specification does not know."""
    sent: list[dict[str, list[str]]] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = re.findall(rb"(?i)content-length: (\d+)", head)
        sent.append(parse_qs((await reader.readexactly(int(length))).decode(), strict_parsing=True))
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with serving(take) as port:
        message = sms("a=b&c")
        for settings in (provider_settings(), provider_settings(public_url="https://notify.example.com/")):
            provider = twilio(f"http://127.0.0.1:{port}", settings, **WITH_BOTH)
            await provider.send(message)
            await provider.aclose()
    form = {"To": ["+14155550100"], "Body": ["a=b&c"], "From": ["Tidings"], "MessagingServiceSid": [SERVICE]}
    callback = f"https://notify.example.com/v1/callbacks/twilio?notification={message.notification_id}"
    assert sent == [form, form | {"StatusCallback": [callback]}]
    assert sent[1].keys() <= fields_of(specification)


@pytest.mark.parametrize("given", [WITH_NUMBER, WITH_SERVICE, WITH_BOTH])
@pytest.mark.peer(exercises="the sandbox answers by the specification")
async def test_the_sandbox_answers_by_twilios_specification(
    proxy: str, sandbox: RunningSandbox, given: dict[str, str]
) -> None:
    provider = twilio(proxy, None, **given)
    for body in BODIES:
        acceptance = await provider.send(sms(body))
        assert acceptance.reference is not None
        assert next(iter(sandbox.sandbox.inbox)).body == body
    await provider.aclose()


@pytest.mark.peer(peer=CLIENT_PACKAGE, exercises="it sends to the sandbox")
async def test_twilios_own_client_sends_to_the_sandbox(sandbox: RunningSandbox) -> None:
    modules = await npm_package(CLIENT_PACKAGE)
    for body, segments in (("It works.", "1"), ("€" * 81, "2"), ("📦" * 36, "2")):
        message = await run_script(modules, CLIENT, sandbox.url, ACCOUNT, "+14155550100", body)
        assert message["sid"].startswith("SM")
        assert (message["status"], message["numSegments"], message["body"]) == ("queued", segments, body)
        assert message["created"] > 0
        received = next(iter(sandbox.sandbox.inbox))
        assert (received.provider, received.body) == ("twilio", body)


@pytest.mark.parametrize(("recipient", "code"), [("+14155550001", 20429), ("+14155550002", 21211)])
@pytest.mark.peer(peer=CLIENT_PACKAGE, exercises="it reads the sandbox's errors")
async def test_twilios_own_client_reads_the_sandboxs_errors(
    sandbox: RunningSandbox, recipient: str, code: int
) -> None:
    modules = await npm_package(CLIENT_PACKAGE)
    error = await run_script(modules, CLIENT, sandbox.url, ACCOUNT, recipient, "x")
    assert (error["code"], error["status"]) == (code, 429 if code == 20429 else 400)
