"""How long the API trusts what it knows of a key, by a clock of the tests' own."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from api import key_cache
from api.key_cache import KeyCache
from tidings.domain.api_key import ApiKey, hash_of, new_secret
from tidings.domain.identifiers import new_id
from tidings.domain.vocabulary import KeyMode
from tidings.errors import StorageUnavailable

FRESH, OUTAGE = 5.0, 100.0
CREATED = datetime(2026, 11, 21, tzinfo=UTC)


class Keys:
    """A source of keys that can go away, or just not answer; and the clock."""

    def __init__(self) -> None:
        self.stored: dict[bytes, ApiKey] = {}
        self.questions = 0
        self.results: list[str] = []
        self.away = False
        self.silent = False
        self.now = 0.0
        self.cache = KeyCache(
            self,
            fresh=FRESH,
            outage=OUTAGE,
            clock=lambda: self.now,
            now=lambda: CREATED + timedelta(seconds=self.now),
            looked_up=lambda result: self.results.append(result),
        )

    def create(self, expires_at: datetime | None = None) -> str:
        secret = new_secret()
        self.stored[hash_of(secret)] = ApiKey(
            id=new_id(),
            tenant="acme",
            mode=KeyMode.LIVE,
            name="test",
            shown=secret[:12],
            created_at=CREATED,
            expires_at=expires_at,
        )
        return secret

    def revoke(self, secret: str) -> None:
        key = self.stored[hash_of(secret)]
        self.stored[hash_of(secret)] = key.model_copy(update={"revoked_at": key.created_at})

    async def find(self, key_hash: bytes) -> ApiKey | None:
        await self._asked()
        return self.stored.get(key_hash)

    async def active(self) -> list[tuple[bytes, ApiKey]]:
        await self._asked()
        return [(key_hash, key) for key_hash, key in self.stored.items() if key.revoked_at is None]

    async def _asked(self) -> None:
        self.questions += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.away:
            raise StorageUnavailable("away")

    async def accepts(self, secret: str) -> bool:
        key = await self.cache.identify(secret)
        return key is not None and key.tenant == "acme"


@pytest.fixture
def keys() -> Keys:
    return Keys()


async def test_a_key_is_asked_for_once_while_the_answer_is_fresh(keys: Keys) -> None:
    secret = keys.create()
    for now in (0.0, 1.0, FRESH - 0.1):
        keys.now = now
        assert await keys.accepts(secret)
    assert keys.questions == 1
    keys.now = FRESH
    assert await keys.accepts(secret)
    assert keys.questions == 2


async def test_a_refreshed_key_is_never_asked_for(keys: Keys) -> None:
    secret = keys.create()
    for now in (0.0, 4.0, 8.0, 12.0):
        keys.now = now
        await keys.cache.refresh()
        assert await keys.accepts(secret)
    assert keys.questions == 4


async def test_a_revoked_key_is_refused_once_the_answer_is_not_fresh(keys: Keys) -> None:
    secret = keys.create()
    assert await keys.accepts(secret)
    keys.revoke(secret)
    keys.now = FRESH
    assert not await keys.accepts(secret)


async def test_a_key_expires_to_the_moment_whatever_is_cached_and_in_an_outage_too(keys: Keys) -> None:
    secret = keys.create(expires_at=CREATED + timedelta(seconds=2))
    keys.now = 1.9
    assert await keys.accepts(secret)
    keys.away = True
    keys.now = 2.0
    assert not await keys.accepts(secret)


async def test_a_refresh_makes_a_revoked_key_refused_at_once(keys: Keys) -> None:
    secret = keys.create()
    assert await keys.accepts(secret)
    keys.revoke(secret)
    keys.now = 1.0
    await keys.cache.refresh()
    assert not await keys.accepts(secret)


async def test_a_refresh_asked_for_before_does_not_undo_what_was_learnt_after(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = keys.create()

    async def active_slowly() -> list[tuple[bytes, ApiKey]]:
        snapshot = [(key_hash, key) for key_hash, key in keys.stored.items()]
        keys.now = FRESH
        keys.revoke(secret)
        assert not await keys.accepts(secret)
        return snapshot

    monkeypatch.setattr(keys, "active", active_slowly)  # the refresh is overtaken here
    await keys.cache.refresh()
    assert not await keys.accepts(secret)


async def test_unknown_keys_are_asked_for_once_while_fresh(keys: Keys) -> None:
    secret = new_secret()
    assert not await keys.accepts(secret)
    assert not await keys.accepts(secret)
    assert keys.questions == 1


async def test_guesses_are_forgotten_before_they_fill_the_memory(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_cache, "_UNKNOWN_KEPT", 3)
    known, guesses = keys.create(), [new_secret() for _ in range(4)]
    assert await keys.accepts(known)
    for guess in guesses:
        assert not await keys.accepts(guess)
    asked = keys.questions
    for remembered in (known, *guesses[1:]):
        await keys.accepts(remembered)
    assert keys.questions == asked
    assert not await keys.accepts(guesses[0])
    assert keys.questions == asked + 1


async def test_in_an_outage_a_known_key_is_trusted_and_an_unknown_one_is_not_judged(keys: Keys) -> None:
    secret = keys.create()
    assert await keys.accepts(secret)
    keys.away = True
    keys.now = OUTAGE - 1
    assert await keys.accepts(secret)
    with pytest.raises(StorageUnavailable):
        await keys.cache.identify(new_secret())
    keys.now = OUTAGE
    with pytest.raises(StorageUnavailable):
        await keys.cache.identify(secret)


async def test_in_an_outage_a_revoked_key_stays_refused(keys: Keys) -> None:
    secret = keys.create()
    keys.revoke(secret)
    assert not await keys.accepts(secret)
    keys.away = True
    keys.now = OUTAGE - 1
    assert not await keys.accepts(secret)


async def test_in_an_outage_not_every_call_waits_for_a_question(keys: Keys) -> None:
    secrets = [keys.create() for _ in range(50)]
    await keys.cache.refresh()
    keys.away = True
    keys.now = FRESH
    asked = keys.questions
    for secret in secrets:
        assert await keys.accepts(secret)
    assert keys.questions == asked + 1


async def test_after_an_outage_keys_are_asked_for_again(keys: Keys) -> None:
    secret = keys.create()
    await keys.cache.refresh()
    keys.away = True
    keys.now = 50.0
    assert await keys.accepts(secret)
    keys.revoke(secret)
    keys.away = False
    keys.now = 60.0
    assert not await keys.accepts(secret)


async def test_a_source_that_does_not_answer_holds_no_known_key_up(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_cache, "_PATIENCE", 0.01)
    secret = keys.create()
    await keys.cache.refresh()
    keys.silent = True
    keys.now = FRESH
    assert await keys.accepts(secret)


async def test_what_a_look_up_took_is_told() -> None:
    keys = Keys()
    secret = keys.create()
    for _ in range(2):
        assert await keys.cache.identify(secret)
    assert keys.cache.known() == 1
    keys.away = True
    keys.now += FRESH
    assert await keys.cache.identify(secret)
    with pytest.raises(StorageUnavailable):
        await keys.cache.identify(new_secret())
    assert keys.results == ["miss", "hit", "stale", "unavailable"]
