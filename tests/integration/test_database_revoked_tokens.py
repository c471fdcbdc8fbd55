"""Revoked tokens: listed until they have expired for certain."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.database import open_engine
from tidings.database.revoked_tokens import RevokedTokenRepository

SOON = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
async def revoked(database_url: str) -> AsyncIterator[RevokedTokenRepository]:
    async with open_engine(database_url) as engine:
        yield RevokedTokenRepository(engine)


async def test_a_revoked_token_is_listed_and_the_later_time_stays(revoked: RevokedTokenRepository) -> None:
    assert await revoked.revoke("one", SOON) == SOON
    assert await revoked.revoke("two", SOON + timedelta(days=1)) == SOON + timedelta(days=1)
    assert await revoked.revoke("one", SOON - timedelta(minutes=1)) == SOON
    assert list(await revoked.all()) == ["two", "one"]


async def test_a_token_stays_listed_while_leeway_may_let_it_pass(revoked: RevokedTokenRepository) -> None:
    now = datetime.now(UTC)
    await revoked.revoke("just expired", now - timedelta(seconds=60))
    await revoked.revoke("long expired", now - timedelta(hours=1))
    assert list(await revoked.all()) == ["just expired"]
