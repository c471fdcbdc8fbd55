"""Webhook endpoints: their secrets over HTTP, on the command line, and in what is delivered."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook, WebhookVerificationError

from tests.integration.api import Api, attempted, make_key, running_api
from tests.integration.command_line import tidings
from tests.integration.database import open_engine
from tests.provider_support import running_sandbox
from tests.worker_process import worker_process
from tidings.database.storage import fetch
from tidings.domain.api_key import new_secret
from tidings.domain.identifiers import new_id
from tidings.domain.vocabulary import KeyMode
from tidings.local.temporal_server import TemporalServer

PATH = "/v1/webhook-endpoints"
MASTER = base64.b64encode(b"m" * 32).decode()
SHARED = f"whsec_{base64.b64encode(b's' * 32).decode()}"
URL = "https://example.com/hooks"


@pytest.fixture(autouse=True)
def master(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_WEBHOOK_SIGNING_KEY", MASTER)


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        yield api
        api.accepted.clear()


async def added(api: Api, url: str = URL) -> dict[str, Any]:
    answer = await api.post(PATH, json={"url": url})
    assert answer.status in (200, 201), answer.text
    found: dict[str, Any] = answer.json
    return found


async def test_a_url_has_one_endpoint_whose_secret_is_shown_to_its_owner_alone(
    api: Api, database_url: str
) -> None:
    first = await api.post(PATH, json={"url": "https://EXAMPLE.com/hooks"})
    assert (first.status, first.headers["Cache-Control"]) == (201, "no-store")
    assert first.headers["Location"] == f"{PATH}/{first.json['id']}"
    again = await api.post(PATH, json={"url": "https://EXAMPLE.com/hooks"})
    assert (again.status, again.json) == (200, first.json)
    shown = await api.get(f"{PATH}/{first.json['id']}")
    assert (shown.status, shown.json) == (200, first.json)
    listed = await api.get(PATH)
    assert listed.json == {"data": [{k: v for k, v in first.json.items() if k != "secret"}]}
    secret = first.json["secret"].removeprefix("whsec_")
    async with open_engine(database_url) as engine:
        assert secret not in str(await fetch(engine, text("SELECT * FROM webhook_endpoints")))

    stranger, _ = await make_key(database_url, "rival")
    path = f"{PATH}/{first.json['id']}"
    assert (await api.get(PATH, key=stranger)).json == {"data": []}
    for method, way in (("GET", path), ("POST", f"{path}/rotate"), ("DELETE", path)):
        assert (await api.call(method, way, key=stranger)).kind == "not-found"
        assert (await api.call(method, way.replace(first.json["id"], str(new_id())))).kind == "not-found"
    theirs = await api.post(PATH, key=stranger, json={"url": "https://EXAMPLE.com/hooks"})
    assert theirs.json["secret"] != first.json["secret"]

    test, _ = await make_key(database_url, secret=new_secret(KeyMode.TEST))
    for method, way in (("GET", PATH), ("GET", path), ("POST", f"{path}/rotate"), ("DELETE", path)):
        assert (await api.call(method, way, key=test)).kind == "wrong-mode"

    assert (await api.call("DELETE", path)).status == 204
    assert (await api.get(path)).kind == "not-found"
    assert (await added(api, "https://EXAMPLE.com/hooks"))["secret"] != first.json["secret"]


async def test_of_many_rotations_at_once_one_takes_effect(api: Api) -> None:
    before = await added(api)
    path = f"{PATH}/{before['id']}/rotate"
    answers = await asyncio.gather(*(api.post(path, json={"overlap_seconds": 60}) for _ in range(10)))
    # One that has read the endpoint after another's rotation makes a further one: each answers with a secret.
    assert {answer.status for answer in answers} == {200}
    latest = (await api.get(f"{PATH}/{before['id']}")).json
    assert latest["version"] == max(answer.json["version"] for answer in answers) > 1
    assert latest["secret"] in {answer.json["secret"] for answer in answers} - {before["secret"]}
    assert latest["previous_until"] > latest["rotated_at"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "/url"),
        ({"url": "ftp://example.com"}, "/url"),
        ({"url": "https://user:secret@example.com"}, "/url"),
        ({"url": URL, "secret": "x"}, "/secret"),
    ],
)
async def test_a_bad_url_is_named(api: Api, body: dict[str, Any], named: str) -> None:
    assert (await api.post(PATH, json=body)).pointers == [named]


@pytest.mark.parametrize("overlap", [-1, 1.5, "60", 31 * 86_400])
async def test_a_bad_overlap_is_named(api: Api, overlap: object) -> None:
    path = f"{PATH}/{(await added(api))['id']}/rotate"
    assert (await api.post(path, json={"overlap_seconds": overlap})).pointers == ["/overlap_seconds"]


async def test_without_a_key_the_setting_is_named(
    database_url: str, temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIDINGS_WEBHOOK_SIGNING_KEY")
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        refused = await api.post(PATH, json={"url": URL})
        assert (refused.status, refused.kind) == (503, "webhook-key-missing")
        assert "TIDINGS_WEBHOOK_SIGNING_KEY" in refused.json["detail"]


async def test_deliveries_are_signed_by_their_endpoint_through_a_rotation_and_others_as_before(
    api: Api, temporal_server: TemporalServer, database_url: str, tmp_path: Path
) -> None:
    async with (
        running_sandbox() as sandbox,
        worker_process(
            tmp_path / "worker.log",
            temporal_address=temporal_server.address,
            database_url=database_url,
            smtp_port=1,
            TIDINGS_WEBHOOK_SIGNING_KEY=MASTER,
            TIDINGS_WEBHOOK_SECRET=SHARED,
            TIDINGS_WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8",
        ),
    ):

        async def verifiers(url: str, secrets: dict[str, str]) -> set[str]:
            """Which of these secrets verify a delivery to the URL."""
            sandbox.sandbox.inbox.clear()
            body = {"channel": "webhook", "recipient": url, "body": "Hi"}
            answer = await api.post("/v1/notifications", json=body)
            found = (await attempted(api, answer.json["id"], "sent")).json
            assert found["attempts"][0]["response"].startswith('{"reference": "sandbox-')
            [hook] = sandbox.sandbox.inbox
            good = set()
            for name, secret in secrets.items():
                try:
                    Webhook(secret).verify(hook.body, dict(hook.headers))
                    good.add(name)
                except WebhookVerificationError:
                    pass
            return good

        own, other = f"{sandbox.url}/hooks/own", f"{sandbox.url}/hooks/other"
        endpoint = await added(api, own)
        secrets = {"shared": SHARED, "first": endpoint["secret"]}
        assert await verifiers(own, secrets) == {"first"}
        assert await verifiers(other, secrets) == {"shared"}

        path = f"{PATH}/{endpoint['id']}"
        rotated = await api.post(f"{path}/rotate")
        secrets["second"] = rotated.json["secret"]

        async def signs(expected: set[str]) -> None:
            """Workers know of a change within five seconds."""
            async with asyncio.timeout(30):
                while await verifiers(own, secrets) != expected:
                    pass

        await signs({"first", "second"})
        secrets["third"] = (await api.post(f"{path}/rotate", json={"overlap_seconds": 0})).json["secret"]
        await signs({"third"})
        assert (await api.call("DELETE", path)).status == 204
        await signs({"shared"})


async def test_the_command_line_does_the_same(api: Api) -> None:
    async def command(*arguments: str) -> str:
        ended = await tidings("webhooks", *arguments, TIDINGS_URL=api.url, TIDINGS_API_KEY=api.key)
        assert (ended.status, ended.err) == (0, ""), ended
        return ended.out

    assert "No webhook endpoints" in await command("list")
    made = json.loads(await command("add", URL, "--json"))
    assert made["secret"] in await command("show", made["id"])
    rotated = await command("rotate", made["id"], "--overlap", "60")
    assert made["secret"] not in rotated
    assert "previous signs until" in rotated
    listed = await command("list")
    assert made["id"] in listed
    assert "whsec_" not in listed
    assert json.loads(await command("list", "--json"))["data"][0]["version"] == 2
    assert await command("remove", made["id"]) == f"{made['id']}  removed\n"
    ended = await tidings("webhooks", "show", made["id"], TIDINGS_URL=api.url, TIDINGS_API_KEY=api.key)
    assert (ended.status, ended.out) == (1, "")
