"""Ids made inside workflows."""

from datetime import UTC, datetime, timedelta
from random import Random

from tidings.domain.identifiers import id_at, new_id

NOW = datetime(2026, 11, 21, 12, 0, 0, 123000, tzinfo=UTC)


def seeded() -> Random:
    return Random(1)  # noqa: S311 -- as in a workflow: to be the same each time


def test_an_id_of_a_moment_is_a_uuidv7_of_that_moment() -> None:
    id = id_at(NOW, seeded())
    assert (id.version, id.variant) == (7, new_id().variant)
    assert id.int >> 80 == int(NOW.timestamp() * 1000)


def test_ids_replay_alike_differ_by_chance_and_are_ordered_by_time() -> None:
    assert id_at(NOW, seeded()) == id_at(NOW, seeded())
    random = seeded()
    assert len({id_at(NOW, random) for _ in range(1000)}) == 1000
    assert id_at(NOW, random) < id_at(NOW + timedelta(milliseconds=1), random)
