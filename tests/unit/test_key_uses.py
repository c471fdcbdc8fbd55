"""When the last use of a key is written, by a clock of the tests' own."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import pytest

from api.key_uses import KeyUses
from tidings.domain.identifiers import new_id
from tidings.errors import StorageUnavailable

KEY, OTHER = new_id(), new_id()


class Store:
    """Takes down what is written, or refuses it."""

    def __init__(self) -> None:
        self.written: list[set[UUID]] = []
        self.away = False
        self.used_meanwhile: list[UUID] = []
        self.now = 0.0
        self.uses = KeyUses(self, interval=60, clock=lambda: self.now)

    async def used(self, at: Mapping[UUID, datetime]) -> None:
        if self.away:
            raise StorageUnavailable("away")
        self.written.append(set(at))
        for id in self.used_meanwhile:
            self.uses.note(id)
        self.used_meanwhile.clear()


@pytest.fixture
def store() -> Store:
    return Store()


async def test_the_first_use_is_written_at_once_and_later_ones_once_a_minute(store: Store) -> None:
    for now in range(0, 180, 10):
        store.now = now
        store.uses.note(KEY)
        await store.uses.write()
    assert store.written == [{KEY}] * 3


async def test_a_use_within_the_minute_is_written_when_the_minute_is_over(store: Store) -> None:
    store.uses.note(KEY)
    await store.uses.write()
    store.uses.note(KEY)
    store.now = 59.0
    await store.uses.write()
    assert store.written == [{KEY}]
    store.now = 60.0
    await store.uses.write()
    assert store.written == [{KEY}, {KEY}]


async def test_keys_are_written_together_and_what_is_not_used_not_at_all(store: Store) -> None:
    await store.uses.write()
    store.uses.note(KEY)
    store.uses.note(OTHER)
    await store.uses.write()
    store.now = 100.0
    await store.uses.write()
    assert store.written == [{KEY, OTHER}]


async def test_what_could_not_be_written_is_written_later(store: Store) -> None:
    store.away = True
    store.uses.note(KEY)
    with pytest.raises(StorageUnavailable):
        await store.uses.write()
    store.away = False
    await store.uses.write()
    assert store.written == [{KEY}]


async def test_a_use_while_it_is_written_is_not_lost(store: Store) -> None:
    store.used_meanwhile = [KEY]
    store.uses.note(KEY)
    await store.uses.write()
    store.now = 60.0
    await store.uses.write()
    assert store.written == [{KEY}, {KEY}]
