"""API keys: only the hash is kept, revoked ones stay known."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

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
from tidings.domain.vocabulary import KeyMode, Scope

SOON = datetime.now(UTC) + timedelta(days=90)


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


async def test_scopes_and_expiry_are_kept(keys: ApiKeyRepository) -> None:
    usual = await keys.create("acme", "usual", new_secret())
    assert (usual.scopes, usual.expires_at, usual.last_used_at) == ((Scope.SEND, Scope.READ), None, None)
    special = await keys.create(
        "acme", "special", new_secret(), scopes={Scope.ADMIN, Scope.SEND}, expires_at=SOON
    )
    assert (special.scopes, special.expires_at) == ((Scope.SEND, Scope.ADMIN), SOON)
    assert await keys.get(special.id) == special


async def test_a_key_without_any_scope_cannot_be_stored(keys: ApiKeyRepository) -> None:
    with pytest.raises(IntegrityError):
        await keys.create("acme", "useless", new_secret(), scopes=())


async def test_expired_keys_are_not_active_but_still_found(keys: ApiKeyRepository) -> None:
    secret = new_secret()
    past = datetime.now(UTC) - timedelta(seconds=1)
    expired = await keys.create("acme", "old", secret, expires_at=past)
    assert await keys.active() == []
    assert await keys.find(hash_of(secret)) == expired


async def test_a_rotated_key_has_all_of_the_old_one_which_ends_after_the_overlap(
    keys: ApiKeyRepository,
) -> None:
    first, second = new_secret(KeyMode.TEST), new_secret(KeyMode.TEST)
    old = await keys.create("acme", "ci", first, scopes=[Scope.READ])
    new = await keys.rotate(old.id, second, timedelta(hours=1), SOON)
    assert new is not None
    assert (new.tenant, new.name, new.mode, new.scopes) == ("acme", "ci", KeyMode.TEST, (Scope.READ,))
    assert (new.shown, new.expires_at) == (second[:12], SOON)
    assert await keys.find(hash_of(second)) == new
    ending = await keys.find(hash_of(first))
    assert ending is not None
    assert ending.expires_at is not None
    assert timedelta(minutes=59) < ending.expires_at - datetime.now(UTC) <= timedelta(hours=1)


async def test_an_overlap_never_makes_a_key_last_longer(keys: ApiKeyRepository) -> None:
    old = await keys.create("acme", "ci", new_secret(), expires_at=SOON)
    assert await keys.rotate(old.id, new_secret(), timedelta(days=900), None)
    assert await keys.get(old.id) == old


async def test_only_a_key_that_is_there_of_the_same_mode_and_not_revoked_is_rotated(
    keys: ApiKeyRepository,
) -> None:
    old = await keys.create("acme", "ci", new_secret())
    assert await keys.rotate(new_id(), new_secret(), timedelta(), None) is None
    assert await keys.rotate(old.id, new_secret(KeyMode.TEST), timedelta(), None) is None
    await keys.revoke(old.id)
    assert await keys.rotate(old.id, new_secret(), timedelta(), None) is None
    assert len(await keys.all()) == 1


async def test_the_last_use_of_many_keys_is_written_and_never_goes_back(keys: ApiKeyRepository) -> None:
    one, other, unused = [await keys.create("acme", name, new_secret()) for name in ("a", "b", "c")]
    await keys.used({one.id: SOON, other.id: SOON, new_id(): SOON})
    await keys.used({one.id: SOON - timedelta(days=1), other.id: SOON + timedelta(days=1)})
    times = {key.id: key.last_used_at for key in await keys.all()}
    assert times == {one.id: SOON, other.id: SOON + timedelta(days=1), unused.id: None}
