"""The pool says how full it is, and who waits."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.integration.database import open_engine
from tests.support import eventually
from tidings.database.engine import pool_of
from tidings.database.storage import fetch
from tidings.errors import StorageUnavailable
from tidings.metrics import show_pool


async def test_the_metrics_are_those_of_the_pool_of_the_moment(database_url: str) -> None:
    registry = CollectorRegistry()

    def shown() -> list[float | None]:
        states = [
            registry.get_sample_value("tidings_database_pool_connections", {"state": state})
            for state in ("in_use", "idle")
        ]
        rest = ("tidings_database_pool_limit", "tidings_database_pool_waiting")
        return [*states, *map(registry.get_sample_value, rest)]

    async with open_engine(
        database_url, database_pool_size=1, database_pool_overflow=1, database_pool_timeout=30
    ) as engine:
        show_pool(registry, lambda: pool_of(engine))
        assert shown() == [0, 0, 2, 0]
        async with engine.connect(), engine.connect():
            assert shown() == [2, 0, 2, 0]
            waiting = asyncio.create_task(fetch(engine, text("SELECT 1 AS one")))
            await eventually(lambda: shown() == [2, 0, 2, 1])
        assert await waiting == [{"one": 1}]
        assert shown() == [0, 1, 2, 0]
        await engine.dispose()
        assert shown() == [0, 0, 2, 0]
        assert await fetch(engine, text("SELECT 1 AS one")) == [{"one": 1}]
        assert shown() == [0, 1, 2, 0]


async def test_who_waits_in_vain_waits_no_longer(database_url: str) -> None:
    async with open_engine(
        database_url, database_pool_size=1, database_pool_overflow=0, database_pool_timeout=0.01
    ) as engine:
        async with engine.connect():
            with pytest.raises(StorageUnavailable, match="all connections of the pool are in use"):
                await fetch(engine, text("SELECT 1"))
        assert pool_of(engine).waiting == 0


async def test_an_engine_of_others_is_no_watched_one() -> None:
    engine = create_async_engine("postgresql+asyncpg://")
    with pytest.raises(TypeError):
        pool_of(engine)
    await engine.dispose()
