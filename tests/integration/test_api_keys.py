"""Who may call: API keys over HTTP, with real Postgres."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest
from pydantic import PostgresDsn

from tests.integration.api import Api, make_key, running_api
from tests.support import eventually
from tidings.database.api_keys import ApiKeyRepository
from tidings.database.engine import create_engine
from tidings.domain.api_key import new_secret
from tidings.local.temporal_server import TemporalServer
from tidings.settings import DatabaseSettings


@pytest.fixture
async def api(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[Api]:
    key, _ = await make_key(database_url)
    async with running_api(database_url, temporal_server.address, key=key, key_cache_seconds=0.2) as api:
        yield api


def swapped(key: str) -> str:
    """Two different neighbours in each other's place."""
    place = next(place for place in range(8, len(key)) if key[place] != key[place + 1])
    return key[:place] + key[place + 1] + key[place] + key[place + 2 :]


async def revoke(database_url: str, id: UUID) -> None:
    engine = create_engine(DatabaseSettings(database_url=PostgresDsn(database_url)))
    try:
        assert await ApiKeyRepository(engine).revoke(id)
    finally:
        await engine.dispose()


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YWRhOnBhc3N3b3Jk",
        "Bearer nonsense",
        pytest.param(f"Bearer {new_secret()}", id="an unknown key"),
        "td_live_x",
    ],
)
async def test_calls_without_a_valid_key_are_refused(api: Api, authorization: str) -> None:
    answer = await api.get("/v1/notifications", key=None, headers={"Authorization": authorization})
    assert (answer.status, answer.kind) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="tidings"')
    assert "td_live_" not in answer.text


@pytest.mark.parametrize(
    "change", [lambda key: key[:-1], lambda key: key + "a", swapped], ids=["shorter", "longer", "swapped"]
)
async def test_a_mistyped_key_is_refused_without_asking_postgres(change: Callable[[str], str]) -> None:
    mistyped = change(new_secret())
    async with running_api("postgresql://tidings@127.0.0.1:1/tidings", "127.0.0.1:1", key=mistyped) as api:
        answer = await api.get("/v1/notifications")
        assert (answer.status, answer.kind) == (401, "unauthorized")
        assert "mistyped" in answer.json["detail"]
        assert mistyped[8:14] not in answer.text
        unknown = await api.get("/v1/notifications", key=new_secret())
        assert unknown.status == 503, "only what may be a key is asked for"


async def test_keys_of_earlier_versions_stay_valid(api: Api, database_url: str) -> None:
    secret, _ = await make_key(database_url, secret="td_live_" + "a1B2c" * 8 + "xyz")
    assert (await api.get("/v1/notifications", key=secret)).status == 200


async def test_the_key_is_checked_before_the_body_is_looked_at(api: Api) -> None:
    answer = await api.post("/v1/notifications", key=None, data=b"{")
    assert answer.status == 401


async def test_health_and_docs_need_no_key(api: Api) -> None:
    for path in ("/health/live", "/health/ready", "/docs", "/openapi.json", "/metrics"):
        assert (await api.get(path, key=None)).status == 200


async def test_a_new_key_is_taken_at_once_and_a_revoked_one_soon_refused(api: Api, database_url: str) -> None:
    secret, key = await make_key(database_url)
    assert (await api.get("/v1/notifications", key=secret)).status == 200
    await revoke(database_url, key.id)

    async def refused() -> bool:
        return (await api.get("/v1/notifications", key=secret)).status == 401

    await eventually(refused)


async def test_a_key_tried_before_it_exists_is_taken_soon_after(api: Api, database_url: str) -> None:
    secret = new_secret()
    assert (await api.get("/v1/notifications", key=secret)).status == 401
    await make_key(database_url, secret=secret)

    async def accepted() -> bool:
        return (await api.get("/v1/notifications", key=secret)).status == 200

    await eventually(accepted)
