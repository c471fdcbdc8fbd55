"""When a schedule fires: what Temporal makes of cron, intervals and windows, and of changing clocks."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client

from tests.integration.api import make_key, running_api
from tests.integration.schedules import Schedules
from tidings.local.temporal_server import TemporalServer

BERLIN: dict[str, Any] = {"every": ..., "time_zone": "Europe/Berlin"}


@pytest.fixture
async def schedules(
    database_url: str, temporal_server: TemporalServer, temporal_client: Client
) -> AsyncIterator[Schedules]:
    key, _ = await make_key(database_url, f"tenant-{uuid4()}")
    async with running_api(database_url, temporal_server.address, key=key) as api:
        schedules = Schedules(api, temporal_client)
        yield schedules
        await schedules.clean_up()


async def times(schedules: Schedules, count: int, **fields: Any) -> list[str]:
    shown = (await schedules.create(**fields))["next_times"]
    return [time.removesuffix(":00Z") for time in shown[:count]]


async def test_nine_in_berlin_stays_nine_in_berlin_when_the_clocks_change(schedules: Schedules) -> None:
    spring = await times(schedules, 3, **BERLIN, cron="0 9 * * *", starts_at="2027-03-26T12:00:00+01:00")
    assert spring == ["2027-03-27T08:00", "2027-03-28T07:00", "2027-03-29T07:00"]
    autumn = await times(schedules, 3, **BERLIN, cron="0 9 * * *", starts_at="2027-10-29T12:00:00Z")
    assert autumn == ["2027-10-30T07:00", "2027-10-31T08:00", "2027-11-01T08:00"]


async def test_a_time_that_the_clocks_skip_does_not_fire_that_day(schedules: Schedules) -> None:
    skipped = await times(schedules, 3, **BERLIN, cron="30 2 * * *", starts_at="2027-03-26T12:00:00Z")
    assert skipped == ["2027-03-27T01:30", "2027-03-29T00:30", "2027-03-30T00:30"]


async def test_a_time_that_the_clocks_repeat_fires_once(schedules: Schedules) -> None:
    repeated = await times(schedules, 3, **BERLIN, cron="30 2 * * *", starts_at="2027-10-29T12:00:00Z")
    assert repeated == ["2027-10-30T00:30", "2027-10-31T01:30", "2027-11-01T01:30"]


async def test_an_hour_that_the_clocks_repeat_counts_once_for_cron_and_twice_for_an_interval(
    schedules: Schedules,
) -> None:
    begin = "2027-10-30T23:30:00Z"
    by_cron = await times(schedules, 4, **BERLIN, cron="30 * * * *", starts_at=begin)
    assert by_cron == ["2027-10-30T23:30", "2027-10-31T00:30", "2027-10-31T02:30", "2027-10-31T03:30"]
    by_interval = await times(schedules, 4, every=3_600, starts_at=begin)
    assert by_interval == ["2027-10-30T23:30", "2027-10-31T00:30", "2027-10-31T01:30", "2027-10-31T02:30"]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        # 1 January 2027 is a Friday.
        ("0 9 * * 1-5", ["2027-01-01T09:00", "2027-01-04T09:00", "2027-01-05T09:00"]),
        ("0 9 * * 6-7", ["2027-01-02T09:00", "2027-01-03T09:00", "2027-01-09T09:00"]),
        ("0 9 * * SUN", ["2027-01-03T09:00", "2027-01-10T09:00", "2027-01-17T09:00"]),
        # As crontab(5) has it: the 13th, and every Friday.
        ("0 9 13 * 5", ["2027-01-01T09:00", "2027-01-08T09:00", "2027-01-13T09:00"]),
        ("*/25 22-23/1 * * *", ["2027-01-01T22:00", "2027-01-01T22:25", "2027-01-01T22:50"]),
        ("0 0 29 feb *", ["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"]),
        ("15 6 1,15-16 */5 *", ["2027-01-01T06:15", "2027-01-15T06:15", "2027-01-16T06:15"]),
    ],
)
async def test_cron_fires_as_crontab_would(schedules: Schedules, cron: str, expected: list[str]) -> None:
    assert await times(schedules, 3, every=..., cron=cron, starts_at="2027-01-01T00:00:00Z") == expected


async def test_an_interval_counts_from_its_start_and_ends_at_its_end(schedules: Schedules) -> None:
    shown = await times(
        schedules,
        5,
        every=5_400,
        starts_at="2027-01-01T09:20:00+01:00",
        ends_at="2027-01-01T11:20:00Z",
    )
    assert shown == ["2027-01-01T08:20", "2027-01-01T09:50", "2027-01-01T11:20"]


async def test_an_interval_without_a_start_counts_from_1970(schedules: Schedules) -> None:
    shown = await times(schedules, 2, every=86_400)
    assert [time[10:] for time in shown] == ["T00:00", "T00:00"]
