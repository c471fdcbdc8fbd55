"""The commands against the real API, database and Temporal: what they do, print and end with."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.integration.api import Api, make_key, running_api
from tests.integration.command_line import Ended, tidings
from tests.support import eventually, free_port
from tests.workflows.delivery import Delivery, delivery_worker
from tidings.domain.identifiers import new_id
from tidings.errors import TransientFailure
from tidings.local.temporal_server import TemporalServer
from tidings.temporal.notifications import NotificationWorkflows

BUSY = TransientFailure("smtp_451", "try again later")


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        yield api


@pytest.fixture
async def delivery(temporal_client: Client) -> AsyncIterator[Delivery]:
    async with delivery_worker(temporal_client, [BUSY, None]) as delivery:
        yield delivery


async def over_http(api: Api, *arguments: str, stdin: str = "") -> Ended:
    return await tidings(*arguments, stdin=stdin, TIDINGS_URL=api.url, TIDINGS_API_KEY=api.key)


EMAIL = ("--channel", "email", "--to", "ada@example.com", "--subject", "Hello")


async def test_send_prints_what_was_accepted_and_show_finds_it(api: Api, delivery: Delivery) -> None:
    ended = await over_http(api, "send", *EMAIL, "--body", "-", "--tag", "a", "--json", stdin="from a pipe")
    assert (ended.status, ended.err) == (0, "")
    sent = json.loads(ended.out)
    api.accepted.append(sent["id"])  # to be ended with the others
    assert (sent["status"], sent["tags"]) == ("pending", ["a"])
    shown = await over_http(api, "show", sent["id"], "--json")
    assert json.loads(shown.out)["body"] == "from a pipe"
    readable = await over_http(api, "show", sent["id"])
    assert sent["id"] in readable.out
    assert sent["workflow"]["url"] in readable.out.replace("\n", "").replace(" ", "")


async def test_send_under_an_idempotency_key_submits_once(api: Api) -> None:
    command = ("send", *EMAIL, "--idempotency-key", "order-1042", "--json")
    sent = await over_http(api, *command, "--body", "Hello")
    api.accepted.append(json.loads(sent.out)["id"])  # to be ended with the others
    again = await over_http(api, *command, "--body", "Hello")
    assert (again.status, again.out) == (0, sent.out)
    other = await over_http(api, *command, "--body", "Goodbye")
    assert (other.status, other.out) == (1, "")
    assert "/Idempotency-Key" in other.err
    assert "a key of its own" in other.err.replace("\n", " ")
    bad = await over_http(api, "send", *EMAIL, "--body", "Hello", "--idempotency-key", "a\nb")
    assert bad.status == 2
    assert "--idempotency-key" in bad.err


async def test_a_refused_submission_names_the_field_and_ends_with_1(api: Api) -> None:
    ended = await over_http(api, "send", "--channel", "sms", "--to", "12", "--body", "x")
    assert (ended.status, ended.out) == (1, "")
    assert "/recipient" in ended.err
    assert "E.164" in ended.err
    assert "Traceback" not in ended.err


async def test_send_survives_a_restart_of_the_api_and_says_so(
    database_url: str, temporal_server: TemporalServer
) -> None:
    key, _ = await make_key(database_url)
    asked, port = asyncio.Event(), free_port()

    async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"Hello, Ada.")
        writer.transport.abort()
        asked.set()

    url = f"http://127.0.0.1:{port}"
    command = ("send", *EMAIL, "--body", "Hello, Ada.", "--json", "--retry-for", "60")
    async with await asyncio.start_server(dies, "127.0.0.1", port):
        sending = asyncio.create_task(tidings(*command, TIDINGS_URL=url, TIDINGS_API_KEY=key))
        await asked.wait()
    async with running_api(database_url, temporal_server.address, key=key, port=port) as api:
        ended = await sending
        assert (ended.status, ended.err.count("\n")) == (0, 1), ended
        api.accepted.append(json.loads(ended.out)["id"])  # to be ended with the others
        assert f"The API at {url} does not serve now" in ended.err
        assert "trying again for up to 60 s" in ended.err
        listed = (await api.get("/v1/notifications")).json
    assert {each["id"] for each in listed["data"]} <= set(api.accepted)


async def test_send_gives_up_at_once_where_it_is_told_to() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    command = ("send", *EMAIL, "--body", "Hello", "--retry-for", "0", "--api-key", "td_live_x", "--url", url)
    ended = await tidings(*command)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert f"The API at {url} cannot be reached (nobody listens there): start it by `tidings up`" in ended.err


async def test_cancel_and_retry_go_straight_to_temporal_with_the_api_down(
    delivery: Delivery, temporal_client: Client, temporal_server: TemporalServer
) -> None:
    workflows = NotificationWorkflows(temporal_client, "")

    async def retrying() -> bool:
        report = await workflows.status(notification.id)
        return report is not None and report.status == "retrying" and report.recorded

    notification, _ = await delivery.start()
    await eventually(retrying)
    address = {"TEMPORAL_ADDRESS": temporal_server.address, "TIDINGS_URL": f"http://127.0.0.1:{free_port()}"}
    cancelled = await tidings("cancel", str(notification.id), "--reason", "ordered twice", **address)
    assert (cancelled.status, cancelled.out) == (0, f"{notification.id}  cancelled\n")
    again = await tidings("cancel", str(notification.id), **address)
    assert (again.status, again.out) == (1, f"{notification.id}  too late: it is cancelled\n")
    late = await tidings("retry", str(notification.id), "--json", **address)
    assert late.status == 1
    assert json.loads(late.out)[0]["status"] == "cancelled"


async def test_list_filters_and_says_when_there_is_nothing(api: Api) -> None:
    nothing = await over_http(api, "list", "--status", "failed")
    assert (nothing.status, nothing.out) == (0, "No notifications.\n")
    wrong = await over_http(api, "list", "--status", "lost")
    assert wrong.status == 1
    assert "status" in wrong.err


async def test_keys_are_made_once_shown_listed_without_secret_and_revoked(
    database_url: str, api: Api
) -> None:
    made = await tidings(
        "keys", "create", "--tenant", "acme", "--name", "tour", TIDINGS_DATABASE_URL=database_url
    )
    assert made.status == 0
    secret = made.out.strip()
    assert (await api.get("/v1/notifications", key=secret)).status == 200
    listed = await tidings("keys", "list", "--json", TIDINGS_DATABASE_URL=database_url)
    assert secret not in listed.out
    (key,) = [key for key in json.loads(listed.out) if key["name"] == "tour"]
    revoked = await tidings("keys", "revoke", key["id"], TIDINGS_DATABASE_URL=database_url)
    assert revoked.status == 0

    async def refused() -> bool:
        return (await api.get("/v1/notifications", key=secret)).status == 401

    await eventually(refused)
    unknown = await tidings("keys", "revoke", str(new_id()), TIDINGS_DATABASE_URL=database_url)
    assert unknown.status == 1
    assert "tidings keys list" in unknown.err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--version",), 0, "tidings "),
        (("list", "--per-page", "1000"), 2, "--per-page"),
        (("cancel",), 2, "--status"),
        (("cancel", "nonsense"), 2, "UUID"),
        (("bogus",), 2, "bogus"),
        (("send", "--channel", "email"), 2, "--to"),
        (("send", *EMAIL, "--body", "x", "--metadata", "{"), 2, "--metadata"),
        (("send", *EMAIL, "--body", "x", "--retry-for", "-1"), 2, "--retry-for"),
        (("show", ".", "--api-key", "td_live_x"), 1, "id"),
        (("list", "--api-key", "td live"), 1, "API key"),
        (("list",), 1, "TIDINGS_API_KEY"),
        (("list", "--api-key", "td_live_x", "--url", "http://127.0.0.1:1"), 1, "tidings up"),
        (("list", "--api-key", "td_live_x", "--url", "nonsense"), 1, "nonsense"),
        (("up", "--api-port", "0"), 2, "--api-port"),
        (("worker", "--bogus"), 2, "--bogus"),
    ],
)
async def test_wrong_usage_ends_with_2_and_failure_with_1_in_few_words(
    arguments: tuple[str, ...], status: int, said: str
) -> None:
    ended = await tidings(*arguments)
    assert ended.status == status, ended
    assert said in ended.out + ended.err
    assert "Traceback" not in ended.err


async def test_a_bad_setting_is_one_line_that_names_it() -> None:
    for command in ("api", "worker", "sandbox", "migrate --database-only"):
        ended = await tidings(*command.split(), TIDINGS_DATABASE_URL="nonsense", TIDINGS_SANDBOX_PORT="many")
        assert ended.status == 1, (command, ended)
        assert ended.err.count("\n") == 1, (command, ended.err)
        assert "TIDINGS_" in ended.err


async def test_beside_tidings_up_the_sandbox_stands_in_as_it_does_for_its_worker(tmp_path: Path) -> None:
    beside = {"pids": {"worker": os.getpid()}, "sandbox_url": "http://127.0.0.1:1"}
    (tmp_path / "up.json").write_text(json.dumps(beside))

    async def stood_in_for(**environment: str) -> set[str]:
        ended = await tidings("providers", "--json", TIDINGS_UP_DATA=str(tmp_path), **environment)
        assert ended.status == 0, ended.err
        return {row["name"] for row in json.loads(ended.out)["providers"] if row["stood_in_for"]}

    assert {"twilio", "fcm"} < await stood_in_for()
    assert await stood_in_for(TIDINGS_SANDBOX_STANDS_IN="false") == set()
