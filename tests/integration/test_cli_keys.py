"""`tidings keys` as a user runs it, and what a running API makes of it."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.integration.api import Api, make_key, running_api
from tests.integration.command_line import Ended, tidings
from tests.support import eventually
from tidings.domain.identifiers import new_id
from tidings.local.temporal_server import TemporalServer


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key) as api:
        yield api


async def keys(database_url: str, *arguments: str) -> Ended:
    return await tidings("keys", *arguments, TIDINGS_DATABASE_URL=database_url)


async def printed(database_url: str, *arguments: str) -> Any:
    ended = await keys(database_url, *arguments, "--json")
    assert ended.status == 0, ended.err
    return json.loads(ended.out)


def length(key: dict[str, Any]) -> timedelta:
    """For how long it is valid."""
    return datetime.fromisoformat(key["expires_at"]) - datetime.fromisoformat(key["created_at"])


async def status(api: Api, key: str) -> int:
    return (await api.get("/v1/notifications", key=key)).status


async def test_a_key_may_send_and_read_for_ever_unless_something_else_is_said(database_url: str) -> None:
    usual = await printed(database_url, "create")
    assert (usual["scopes"], usual["expires_at"], usual["mode"]) == (["send", "read"], None, "live")
    special = await printed(
        database_url, "create", "--scope", "admin", "--scope", "read", "--expires-in", "90d", "--test"
    )
    assert (special["scopes"], special["mode"]) == (["read", "admin"], "test")
    assert abs(length(special) - timedelta(days=90)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("create", "--scope", "everything"), "everything"),
        (("create", "--expires-in", "soon"), "90d"),
        (("create", "--expires-in", "0d"), "0d"),
        (("create", "--expires-in", "-1d"), "-1d"),
        (("create", "--expires-in", "9999999999d"), "90d"),
        (("rotate", "nonsense"), "UUID"),
        (("rotate", str(new_id()), "--overlap", "1 day"), "1 day"),
    ],
)
async def test_what_makes_no_sense_is_wrong_usage(arguments: tuple[str, ...], named: str) -> None:
    ended = await keys("postgresql://tidings@127.0.0.1:1/tidings", *arguments)
    assert ended.status == 2
    assert named in " ".join(ended.err.split())


async def test_a_rotated_key_works_beside_the_new_one_until_the_overlap_is_over(
    api: Api, database_url: str
) -> None:
    old = await printed(database_url, "create", "--tenant", "acme", "--name", "ci", "--scope", "read")
    new = await printed(database_url, "rotate", old["id"], "--overlap", "24h")
    assert new["id"] != old["id"]
    for member in ("tenant", "name", "mode", "scopes", "expires_at"):
        assert new[member] == old[member], member
    assert [await status(api, key["key"]) for key in (old, new)] == [200, 200]
    listed = {key["id"]: key for key in await printed(database_url, "list")}
    assert abs(length(listed[old["id"]]) - timedelta(hours=24)) < timedelta(minutes=1)

    last = await printed(database_url, "rotate", new["id"], "--overlap", "0s", "--expires-in", "12h")
    assert abs(length(last) - timedelta(hours=12)) < timedelta(minutes=1)

    async def refused() -> bool:
        return await status(api, new["key"]) == 401

    await eventually(refused)
    assert await status(api, last["key"]) == 200


async def test_a_new_key_lasts_as_long_as_the_old_one_was_to(database_url: str) -> None:
    old = await printed(database_url, "create", "--expires-in", "90d")
    new = await printed(database_url, "rotate", old["id"])
    assert length(new) == pytest.approx(length(old), abs=timedelta(minutes=1))


async def test_what_is_not_there_or_ended_is_not_rotated(database_url: str) -> None:
    unknown = await keys(database_url, "rotate", str(new_id()))
    assert unknown.status == 1
    assert "tidings keys list" in unknown.err
    key = await printed(database_url, "create")
    await printed(database_url, "revoke", key["id"])
    revoked = await keys(database_url, "rotate", key["id"])
    assert revoked.status == 1
    assert "is revoked" in revoked.err
    assert len(await printed(database_url, "list")) == 1


async def test_the_list_shows_scopes_expiry_and_last_use(api: Api, database_url: str) -> None:
    key = await printed(database_url, "create", "--expires-in", "1d", "--name", "ci")
    assert await status(api, key["key"]) == 200

    async def used() -> dict[str, Any] | None:
        (listed,) = [one for one in await printed(database_url, "list") if one["id"] == key["id"]]
        return listed if listed["last_used_at"] else None

    listed = await eventually(used)
    (line,) = [line for line in (await keys(database_url, "list")).out.splitlines() if key["id"] in line]
    for shown in ("send read", listed["last_used_at"][:10], listed["expires_at"][:10]):
        assert shown in line
    assert key["key"] not in line


async def test_a_revoked_key_is_refused_by_every_process(
    api: Api, database_url: str, temporal_server: TemporalServer
) -> None:
    key = await printed(database_url, "create", "--tenant", "acme")
    async with running_api(database_url, temporal_server.address, key=key["key"]) as second:
        for one in (api, second):
            assert await status(one, key["key"]) == 200
        await printed(database_url, "revoke", key["id"])
        for one in (api, second):

            async def refused(one: Api = one) -> bool:
                return await status(one, key["key"]) == 401

            await eventually(refused)
