"""`tidings schedules` against the real API and Temporal: what it does, prints and ends with."""

import json
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from temporalio.client import Client

from tests.integration.api import Api, make_key, running_api
from tests.integration.command_line import Ended, tidings
from tests.integration.schedules import Schedules, schedule_worker
from tests.support import eventually
from tidings.local.temporal_server import TemporalServer
from tidings.temporal import names

EMAIL = ("--channel", "email", "--to", "ada@example.com", "--subject", "Your day", "--body", "Good morning.")
WEEKDAYS = ("--cron", "0 9 * * 1-5", "--time-zone", "Europe/Berlin")


@pytest.fixture
async def schedules(
    database_url: str, temporal_server: TemporalServer, temporal_client: Client
) -> AsyncIterator[Schedules]:
    key, _ = await make_key(database_url, f"tenant-{uuid4()}")
    async with running_api(database_url, temporal_server.address, key=key) as api:
        schedules = Schedules(api, temporal_client)
        yield schedules
        await schedules.clean_up()


async def command(api: Api, *arguments: str) -> Ended:
    return await tidings("schedules", *arguments, TIDINGS_URL=api.url, TIDINGS_API_KEY=api.key)


async def created(schedules: Schedules, *arguments: str) -> str:
    ended = await command(schedules.api, "create", *arguments, "--json")
    assert (ended.status, ended.err) == (0, "")
    id: str = json.loads(ended.out)["id"]
    schedules.created.append(id)
    return id


async def test_create_show_pause_resume_list_and_delete(schedules: Schedules) -> None:
    api = schedules.api
    empty = await command(api, "list")
    assert (empty.status, empty.out) == (0, "No schedules.\n")
    id = await created(schedules, *EMAIL, *WEEKDAYS, "--expires-after", "3600", "--tag", "daily")
    shown = await command(api, "show", id)
    assert (shown.status, shown.err) == (0, "")
    for words in (id, "active", "0 9 * * 1-5  Europe/Berlin", "ada@example.com by email", "3600 s"):
        assert words in shown.out
    assert shown.out.count(":00:00 UTC") == 5

    paused = await command(api, "pause", id)
    assert (paused.status, "paused" in paused.out, "next, if resumed" in paused.out) == (0, True, True)
    again = await command(api, "pause", id, "--json")
    assert (again.status, json.loads(again.out)["paused"]) == (0, True)
    resumed = await command(api, "resume", id, "--json")
    assert (resumed.status, json.loads(resumed.out)["paused"]) == (0, False)

    async def listed() -> Ended | None:
        ended = await command(api, "list")
        return ended if id in ended.out and "active" in ended.out else None

    assert "0 9 * * 1-5  Europe/Berlin" in (await eventually(listed)).out
    as_json = json.loads((await command(api, "list", "--json")).out)
    assert [entry["id"] for entry in as_json["data"]] == [id]

    deleted = await command(api, "delete", id)
    assert (deleted.status, deleted.out) == (0, f"{id}  deleted\n")
    gone = await command(api, "delete", id)
    assert (gone.status, gone.out) == (1, "")
    assert "There is no schedule with this id." in gone.err


async def test_what_a_schedule_fired_is_shown_and_listed(
    schedules: Schedules, temporal_client: Client, database_url: str
) -> None:
    id = await created(schedules, *EMAIL, "--every", "90061", "--paused")
    async with schedule_worker(temporal_client, database_url):
        await temporal_client.get_schedule_handle(names.schedule_id(id)).trigger()
        (notification,) = await schedules.fired(id)

    async def shown() -> str | None:
        out = (await command(schedules.api, "show", id)).out
        return out if notification["id"] in out else None

    assert "every 1 d 1 h 1 min 1 s" in await eventually(shown)
    access = {"TIDINGS_URL": schedules.api.url, "TIDINGS_API_KEY": schedules.api.key}
    found = await tidings("list", "--schedule", id, "--json", **access)
    assert [entry["id"] for entry in json.loads(found.out)["data"]] == [notification["id"]]
    readable = await tidings("show", notification["id"], **access)
    assert ["schedule", id] in [line.split() for line in readable.out.splitlines()]


async def test_a_refused_schedule_names_the_field_and_ends_with_1(schedules: Schedules) -> None:
    ended = await command(schedules.api, "create", *EMAIL, "--cron", "0 9 * * *", "--time-zone", "Nowhere")
    assert (ended.status, ended.out) == (1, "")
    assert "/time_zone: is not a time zone" in ended.err
    none = await command(schedules.api, "create", *EMAIL)
    assert "/cron: is required, or every" in none.err
    usage = await command(schedules.api, "create", *EMAIL, "--every", "often")
    assert usage.status == 2
