"""API keys: only the hash is kept, revoked ones stay known."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Text, cast, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.database import open_engine
from tidings.database.api_keys import ApiKeyRepository
from tidings.database.storage import fetch
from tidings.database.tables import api_keys
from tidings.domain.api_key import hash_of, new_secret
from tidings.domain.identifiers import new_id


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    async with open_engine(database_url) as engine:
        yield engine


@pytest.fixture
def keys(engine: AsyncEngine) -> ApiKeyRepository:
    return ApiKeyRepository(engine)


async def test_a_key_is_found_by_its_hash(keys: ApiKeyRepository) -> None:
    secret = new_secret()
    key = await keys.create("acme", "ci", secret)
    assert (key.tenant, key.name, key.shown, key.revoked_at) == ("acme", "ci", secret[:12], None)
    assert key.created_at.tzinfo is not None
    assert await keys.find(hash_of(secret)) == key
    assert await keys.find(hash_of(new_secret())) is None


async def test_the_secret_is_nowhere_in_the_table(keys: ApiKeyRepository, engine: AsyncEngine) -> None:
    secret = new_secret()
    await keys.create("acme", "ci", secret)
    rows = await fetch(engine, select(*(cast(column, Text).label(column.name) for column in api_keys.c)))
    assert not any(secret[12:] in str(value) for row in rows for value in row.values())


async def test_keys_are_listed_by_tenant_newest_first(keys: ApiKeyRepository) -> None:
    first, second = [await keys.create("acme", name, new_secret()) for name in ("first", "second")]
    theirs = await keys.create("rival", "theirs", new_secret())
    assert await keys.all("acme") == [second, first]
    assert await keys.all() == [theirs, second, first]
    assert await keys.all("nobody") == []


async def test_a_revoked_key_is_still_found_and_says_since_when(keys: ApiKeyRepository) -> None:
    secret = new_secret()
    key = await keys.create("acme", "ci", secret)
    revoked = await keys.revoke(key.id)
    assert revoked is not None
    assert revoked.revoked_at is not None
    assert await keys.find(hash_of(secret)) == revoked
    assert await keys.revoke(key.id) == revoked, "the first revocation's time stays"
    assert await keys.all("acme") == [revoked]


async def test_revoking_a_key_that_is_not_there_says_so(keys: ApiKeyRepository) -> None:
    assert await keys.revoke(new_id()) is None


async def test_active_keys_come_with_their_hashes_and_without_revoked_ones(keys: ApiKeyRepository) -> None:
    secret = new_secret()
    key = await keys.create("acme", "ci", secret)
    revoked = await keys.create("acme", "old", new_secret())
    await keys.revoke(revoked.id)
    assert await keys.active() == [(hash_of(secret), key)]


async def test_two_keys_cannot_have_one_secret(keys: ApiKeyRepository) -> None:
    secret = new_secret()
    await keys.create("acme", "ci", secret)
    with pytest.raises(IntegrityError) as caught:
        await keys.create("rival", "ci", secret)
    assert secret[12:] not in str(caught.value)
    assert "rival" not in str(caught.value), "parameters do not belong in messages"
