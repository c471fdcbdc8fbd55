"""`apns`, and the sandbox's APNs, against node's own HTTP/2 and @parse/node-apn."""

import json
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.peers.npm import npm_package
from tests.peers.programs import SCRIPTS, json_of, serving_lines
from tests.provider_support import certificate, outgoing, provider_settings, running_sandbox
from tests.push_keys import KEY_ID, TEAM, TOPIC, apns_settings, elliptic_key
from tidings.domain.vocabulary import Channel, Priority
from tidings.errors import ProviderMisconfigured, SendFailure
from tidings.providers.apns import ERRORS, ApnsProvider

pytestmark = pytest.mark.peer(provider="apns", peer="node http2, jsonwebtoken")

NODE_APN = "@parse/node-apn@8.1.0"
SETTINGS = {"keyId": KEY_ID, "teamId": TEAM, "topic": TOPIC}
STATUSES = {"Unregistered": 410, "PayloadTooLarge": 413, "TooManyRequests": 429, "Shutdown": 503}


@pytest.fixture(scope="module")
async def node() -> dict[str, str]:
    """The environment in which node finds its packages."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    return {"NODE_PATH": str(await npm_package(NODE_APN))}


@asynccontextmanager
async def fake_apns(
    node: dict[str, str], tls: dict[str, str] | None = None
) -> AsyncIterator[tuple[int, Any]]:
    given = {**SETTINGS, "publicKey": elliptic_key()[1], "tls": tls}
    script = str(SCRIPTS / "apns_server.cjs")
    async with serving_lines("node", script, given=given, environment=node) as lines:
        yield (await lines.get())["port"], lines


async def node_apn(node: dict[str, str], **given: Any) -> Any:
    token = {"key": elliptic_key()[0], "keyId": KEY_ID, "teamId": TEAM}
    given["options"] = {"token": token, **given.get("options", {})}
    return await json_of("node", str(SCRIPTS / "apns_client.cjs"), given=given, environment=node)


@pytest.mark.peer(exercises="requests and tokens are taken")
async def test_node_s_http2_takes_our_requests_and_jsonwebtoken_our_tokens(node: dict[str, str]) -> None:
    expires_at = datetime(2030, 1, 1, tzinfo=UTC)
    async with fake_apns(node) as (port, lines):
        apns = ApnsProvider(provider_settings(), apns_settings(f"http://127.0.0.1:{port}"))
        messages = [
            outgoing(Channel.PUSH, "abcdef0123456789", subject="Größe", body="📦", metadata={"order": 7}),
            outgoing(Channel.PUSH, "a:b_c-d", priority=Priority.BULK, expires_at=expires_at),
            outgoing(Channel.PUSH, "x" * 500, metadata={"collapse_key": "ключ" * 40}),
        ]
        references = [(await apns.send(message)).reference for message in messages]
        seen = [await lines.get() for _ in messages]
        await apns.aclose()
    assert references == [message.key for message in messages]
    assert [(request["fault"], request["sessions"]) for request in seen] == [(None, 1)] * 3
    alert = {"title": "Größe", "body": "📦"}
    assert json.loads(seen[0]["body"]) == {"order": 7, "aps": {"alert": alert, "sound": "default"}}
    assert seen[1]["headers"]["apns-expiration"] == "1893456000"
    assert seen[1]["headers"]["apns-priority"] == "5"


@pytest.mark.parametrize("reason", sorted(ERRORS))
@pytest.mark.peer(exercises="every reason of the error table is read")
async def test_every_reason_arrives_over_node_s_http2(node: dict[str, str], reason: str) -> None:
    status = STATUSES.get(reason, 400)
    async with fake_apns(node) as (port, _):
        apns = ApnsProvider(provider_settings(), apns_settings(f"http://127.0.0.1:{port}"))
        with pytest.raises(SendFailure) as raised:
            await apns.send(outgoing(Channel.PUSH, f"answer-{status}-{reason}"))
        await apns.aclose()
    assert (type(raised.value), raised.value.code) == (ERRORS[reason], f"apns_{reason}")


@pytest.mark.parametrize(
    ("given", "reason"),
    [({"apns_team_id": "OTHER"}, "InvalidProviderToken"), ({"apns_topic": "a.b"}, "BadTopic")],
)
@pytest.mark.peer(exercises="another team or topic is our set-up")
async def test_a_wrong_set_up_is_refused_by_the_peer(
    node: dict[str, str], given: dict[str, str], reason: str
) -> None:
    async with fake_apns(node) as (port, _):
        apns = ApnsProvider(provider_settings(), apns_settings(f"http://127.0.0.1:{port}", **given))
        with pytest.raises(ProviderMisconfigured) as raised:
            await apns.send(outgoing(Channel.PUSH, "abcdef0123456789"))
        await apns.aclose()
    assert raised.value.code == f"apns_{reason}"


@pytest.mark.peer(exercises="HTTP/2 over TLS")
async def test_node_over_tls(node: dict[str, str], tmp_path: Path) -> None:
    _, file = certificate(tmp_path)
    tls = {"cert": file.read_text(), "key": (tmp_path / "key.pem").read_text()}
    async with fake_apns(node, tls) as (port, lines):
        settings = apns_settings(f"https://127.0.0.1:{port}")
        apns = ApnsProvider(provider_settings(), settings, tls=ssl.create_default_context(cafile=str(file)))
        await apns.send(outgoing(Channel.PUSH, "abcdef0123456789"))
        assert (await lines.get())["fault"] is None
        await apns.aclose()


@pytest.mark.peer(peer=NODE_APN, exercises="the server of our tests is an APNs to it")
async def test_the_fake_is_an_apns_to_node_apn(node: dict[str, str], tmp_path: Path) -> None:
    _, file = certificate(tmp_path)
    tls = {"cert": file.read_text(), "key": (tmp_path / "key.pem").read_text()}
    async with fake_apns(node, tls) as (port, lines):
        result = await node_apn(
            node,
            options={"address": "127.0.0.1", "port": port, "ca": tls["cert"]},
            notification={"topic": TOPIC, "alert": {"title": "Hi", "body": "there"}, "collapseId": "a"},
            tokens=["abcdef0123456789", "answer-410-Unregistered"],
        )
        first = await lines.get()
    assert [sent["device"] for sent in result["sent"]] == ["abcdef0123456789"]
    [failed] = result["failed"]
    assert (failed["status"], failed["response"]) == (410, {"reason": "Unregistered"})
    assert first["headers"]["apns-collapse-id"] == "a"


@pytest.mark.peer(peer=NODE_APN, exercises="the sandbox is an APNs to it, errors too")
async def test_the_sandbox_is_an_apns_to_node_apn(node: dict[str, str]) -> None:
    apns_settings()
    async with running_sandbox() as running:
        port = urlsplit(running.url).port
        result = await node_apn(
            node,
            url=running.url,
            options={"port": port, "connectionRetryLimit": 0},
            notification={"topic": TOPIC, "alert": {"title": "Hi", "body": "there"}, "payload": {"order": 7}},
            tokens=["abcdef0123456789", "permanent-failure-1", "slow-1"],
        )
        wrong = await node_apn(
            node,
            url=running.url,
            options={"port": port},
            notification={"alert": "Hi"},
            tokens=["abcdef0123456789"],
        )
        received = list(running.sandbox.inbox)
    assert {sent["device"] for sent in result["sent"]} == {"abcdef0123456789", "slow-1"}
    [failed] = result["failed"]
    assert (failed["status"], failed["response"]["reason"]) == (410, "Unregistered")
    assert [failure["response"]["reason"] for failure in wrong["failed"]] == ["MissingTopic"]
    assert {(push.subject, push.body, push.provider) for push in received} == {("Hi", "there", "apns")}
    assert json.loads(dict(received[0].headers)["payload"])["order"] == 7
