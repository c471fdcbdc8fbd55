"""Schedules while a part is away: they are Temporal's own, and say so when it cannot be reached."""

from pathlib import Path
from uuid import uuid4

from temporalio.client import Client

from tests.integration.api import Answer, Api, make_key, running_api
from tests.integration.schedules import HOURLY, own_schedules, schedule_worker
from tests.support import eventually, free_port
from tidings.local.temporal_server import TemporalServer
from tidings.temporal import names


async def every_route(api: Api, id: str) -> list[Answer]:
    return [
        await api.post("/v1/schedules", json=HOURLY),
        await api.get("/v1/schedules"),
        await api.get(f"/v1/schedules/{id}"),
        await api.post(f"/v1/schedules/{id}/pause"),
        await api.post(f"/v1/schedules/{id}/resume"),
        await api.call("DELETE", f"/v1/schedules/{id}"),
    ]


def are_unavailable(answers: list[Answer]) -> None:
    for answer in answers:
        assert (answer.status, answer.kind) == (503, "orchestrator-unavailable"), answer.text
        assert int(answer.headers["Retry-After"]) > 0


async def test_with_temporal_never_there_every_route_says_so(database_url: str) -> None:
    key, _ = await make_key(database_url)
    async with running_api(database_url, f"127.0.0.1:{free_port()}", key=key, start_timeout=1) as api:
        are_unavailable(await every_route(api, str(uuid4())))
        # What is wrong with a schedule can be said without Temporal.
        answer = await api.post("/v1/schedules", json=HOURLY | {"every": 1})
        assert answer.pointers == ["/every"]


async def test_a_schedule_outlives_an_outage_of_temporal(tmp_path: Path, database_url: str) -> None:
    server = TemporalServer(
        free_port(), free_port(), db_file=tmp_path / "temporal.db", log_file=tmp_path / "temporal.log"
    )
    await server.start()
    try:
        key, _ = await make_key(database_url)
        async with running_api(database_url, server.address, key=key, start_timeout=1) as api:

            async def created() -> str:
                answer = await api.post("/v1/schedules", json=HOURLY)
                assert answer.status == 201, answer.text
                return str(answer.json["id"])

            id = await eventually(created)
            await server.stop(hurry=True)
            are_unavailable(await every_route(api, id))
            await server.start()

            async def is_back() -> bool:
                answer = await api.get(f"/v1/schedules/{id}")
                return answer.status == 200 and answer.json["id"] == id

            await eventually(is_back)
    finally:
        await server.stop(hurry=True)


async def test_firings_without_a_worker_are_delivered_when_one_comes(
    database_url: str, temporal_client: Client
) -> None:
    async with own_schedules(database_url, temporal_client) as schedules:
        id = (await schedules.create())["id"]
        await schedules.hurry(id)

        async def fired() -> bool:
            return len((await schedules.get(id))["firings"]) >= 2

        await eventually(fired)
        assert (await schedules.api.post(f"/v1/schedules/{id}/pause")).status == 200
        waiting = (await schedules.get(id))["firings"]
        assert {firing["notification_id"] for firing in waiting} == {None}
        handle = temporal_client.get_schedule_handle(names.schedule_id(id))
        count = (await handle.describe()).info.num_actions
        async with schedule_worker(temporal_client, database_url):
            assert len(await schedules.fired(id, count)) == count
            ids = {firing["notification_id"] for firing in (await schedules.get(id))["firings"]}
            assert len(ids) == len(waiting)
            assert None not in ids


async def test_a_firing_that_was_ended_by_hand_made_nothing(
    database_url: str, temporal_client: Client
) -> None:
    async with own_schedules(database_url, temporal_client) as schedules:
        id = (await schedules.create())["id"]
        await temporal_client.get_schedule_handle(names.schedule_id(id)).trigger()

        async def fired() -> str | None:
            firings = (await schedules.get(id))["firings"]
            return firings[0]["workflow"]["id"] if firings else None

        await temporal_client.get_workflow_handle(await eventually(fired)).terminate()
        (firing,) = (await schedules.get(id))["firings"]
        assert firing["notification_id"] is None
