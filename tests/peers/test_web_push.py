"""`webpush` against web-push-testing: a push service that checks our token and reads what we encrypted."""

import json
import shutil
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from tests.peers.npm import npm_package
from tests.peers.server import server_process
from tests.provider_support import outgoing, provider_settings
from tests.push_keys import elliptic_key
from tests.support import free_port
from tidings.domain.recipient import checked_recipient
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure
from tidings.providers.vapid import Vapid
from tidings.providers.webpush import WebpushProvider, WebpushSettings

PACKAGE = "web-push-testing@1.2.2"

pytestmark = pytest.mark.peer(provider="webpush", peer=PACKAGE)

SUBJECT = "mailto:ops@example.com"
START = """
const Model = require("web-push-testing/src/PushApiModel.js");
const Server = require("web-push-testing/src/server.js");
new Server(new Model.PushApiModel(), Number(process.argv[1])).startServer();
"""


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    elliptic_key()
    port, log = free_port(), tmp_path_factory.mktemp("push") / "output.log"
    modules = {"NODE_PATH": str(await npm_package(PACKAGE))}
    async with server_process("node", "-e", START, str(port), port=port, log=log, environment=modules):
        yield f"http://127.0.0.1:{port}"


async def asked(url: str, **given: Any) -> Any:
    async with aiohttp.request("POST", url, json=given) as response:
        assert response.status == 200, await response.text()
        text = await response.text()
        return json.loads(text)["data"] if text.startswith("{") else text


async def subscribed(service: str, key: str) -> dict[str, Any]:
    found: dict[str, Any] = await asked(
        f"{service}/subscribe", userVisibleOnly="true", applicationServerKey=key
    )
    return found


def webpush(key: str) -> WebpushProvider:
    settings = provider_settings(webhook_allowed_networks="127.0.0.0/8,::1/128")
    own = WebpushSettings(_env_file=None, webpush_private_key=SecretStr(key), webpush_subject=SUBJECT)
    return WebpushProvider(settings, own)


def public_key(private: str) -> str:
    return Vapid(SecretStr(private), SUBJECT, "X").public_key


MESSAGES: list[dict[str, Any]] = [
    {"subject": "Größe", "body": "Kód 7 📦", "metadata": {"order": 7}},
    {"subject": None, "body": "x" * 3800},
    {"body": "日本語\n" * 100, "metadata": {"collapse_key": "a"}},
]


@pytest.mark.peer(exercises="it takes our token and decrypts every message")
async def test_the_service_takes_our_token_and_reads_our_messages(service: str) -> None:
    key = elliptic_key()[0]
    browser = await subscribed(service, public_key(key))
    provider = webpush(key)
    recipient = checked_recipient(Channel.PUSH, json.dumps(browser))
    messages = [outgoing(Channel.PUSH, recipient, **given) for given in MESSAGES]
    for message in messages:
        await provider.send(message)
    await provider.aclose()
    found = await asked(f"{service}/get-notifications", clientHash=browser["clientHash"])
    read = [json.loads(text) for text in found["messages"]]
    assert [(text.get("title"), text["body"]) for text in read] == [(m.subject, m.body) for m in messages]
    assert [text["data"]["tidings_id"] for text in read] == [message.key for message in messages]


@pytest.mark.peer(exercises="an expired subscription is gone")
async def test_a_browser_that_has_unsubscribed_is_gone(service: str) -> None:
    key = elliptic_key()[0]
    browser = await subscribed(service, public_key(key))
    await asked(f"{service}/expire-subscription/{browser['clientHash']}")
    provider = webpush(key)
    with pytest.raises(PermanentFailure) as raised:
        await provider.send(outgoing(Channel.PUSH, json.dumps(browser)))
    await provider.aclose()
    assert (raised.value.code, raised.value.suppresses) == ("webpush_gone", "gone")


@pytest.mark.peer(exercises="a subscription with another key is our set-up")
async def test_a_subscription_with_another_key_refuses_us(service: str) -> None:
    browser = await subscribed(service, public_key(elliptic_key()[0]))
    # RFC 8291's own key.
    provider = webpush("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
    with pytest.raises(PermanentFailure) as raised:
        await provider.send(outgoing(Channel.PUSH, json.dumps(browser)))
    await provider.aclose()
    # The service's own word for it; browsers' services answer 401 or 403.
    assert raised.value.code == "webpush_400"
