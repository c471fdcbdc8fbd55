"""Schedules that are refused: by the field's name, and nothing is left behind."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client

from tests.integration.api import EMAIL, make_key, running_api
from tests.integration.schedules import HOURLY, Schedules
from tests.support import eventually
from tidings.domain.vocabulary import Channel
from tidings.local.temporal_server import TemporalServer

JSON = {"Content-Type": "application/json"}


def later(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


@dataclass(frozen=True)
class Bad:
    """An hourly schedule that some fields spoil, and the fields that are to be named."""

    name: str
    pointers: list[str]
    fields: dict[str, Any]


def bad(name: str, *pointers: str, **fields: Any) -> Bad:
    return Bad(name, list(pointers), fields)


def cron(name: str, pointer: str, **fields: Any) -> Bad:
    return Bad(name, [pointer], {"every": ..., "cron": "0 9 * * *", **fields})


def template(name: str, *pointers: str, **fields: Any) -> Bad:
    spoilt = {key: value for key, value in (EMAIL | fields).items() if value is not ...}
    return Bad(name, [f"/notification/{pointer}" for pointer in pointers], {"notification": spoilt})


BAD = [
    bad("neither cron nor every", "/cron", every=...),
    bad("both null", "/cron", every=None, cron=None),
    bad("both", "/every", cron="0 9 * * *"),
    bad("unknown field", "/bogus", bogus=1),
    bad("id given", "/id", id=str(uuid4())),
    bad("tenant given", "/tenant", tenant="other"),
    bad("every too short", "/every", every=9),
    bad("every zero", "/every", every=0),
    bad("every negative", "/every", every=-60),
    bad("every too long", "/every", every=366 * 86_400 + 1),
    bad("every huge", "/every", every=10**30),
    bad("every a string", "/every", every="60"),
    bad("every a fraction", "/every", every=60.5),
    bad("every a boolean", "/every", every=True),
    bad("every an object", "/every", every={"seconds": 60}),
    bad("every with a time zone", "/time_zone", time_zone="Europe/Berlin"),
    cron("cron a number", "/cron", cron=5),
    cron("cron empty", "/cron", cron=""),
    cron("cron with seconds", "/cron", cron="0 0 9 * * *"),
    cron("cron with a year", "/cron", cron="0 9 * * * 2027"),
    cron("cron by name", "/cron", cron="@daily"),
    cron("cron with an interval", "/cron", cron="@every 1h"),
    cron("cron with a time zone", "/cron", cron="TZ=Europe/Berlin 0 9 * * *"),
    cron("cron with a time zone, five words", "/cron", cron="CRON_TZ=UTC 9 * * *"),
    cron("cron with a comment", "/cron", cron="0 9 * * * # daily"),
    cron("cron garbage", "/cron", cron="every day at nine o'clock"),
    cron("cron out of range", "/cron", cron="0 25 * * *"),
    cron("cron on a day that never comes", "/cron", cron="0 0 30 2 *"),
    cron("cron with a line break", "/cron", cron="0 9 * * *\n0 10 * * *"),
    cron("cron too long", "/cron", cron="0," * 5_000 + "0 * * * *"),
    cron("zone unknown", "/time_zone", time_zone="Europe/Bielefeld"),
    cron("zone empty", "/time_zone", time_zone=""),
    cron("zone null", "/time_zone", time_zone=None),
    cron("zone in small letters", "/time_zone", time_zone="europe/berlin"),
    cron("zone an offset", "/time_zone", time_zone="+02:00"),
    cron("zone of the machine", "/time_zone", time_zone="localtime"),
    cron("zone of the server", "/time_zone", time_zone="Local"),
    cron("zone a folder", "/time_zone", time_zone="Europe"),
    cron("zone a path", "/time_zone", time_zone="../../etc/passwd"),
    cron("zone an absolute path", "/time_zone", time_zone="/etc/localtime"),
    cron("zone another kind of file", "/time_zone", time_zone="zone.tab"),
    cron("zone too long", "/time_zone", time_zone="A" * 101),
    cron("zone a number", "/time_zone", time_zone=2),
    bad("starts_at naive", "/starts_at", starts_at="2027-01-01T00:00:00"),
    bad("starts_at a number", "/starts_at", starts_at=1_800_000_000),
    bad("ends_at garbage", "/ends_at", ends_at="tomorrow"),
    bad("ends_at past", "/ends_at", ends_at=later(seconds=-1)),
    bad("ends_at before starts_at", "/ends_at", starts_at=later(days=2), ends_at=later(days=1)),
    # Only Temporal can tell that these would never fire.
    bad("ends before an interval is over", "/ends_at", every=366 * 86_400, ends_at=later(hours=1)),
    cron(
        "ends before the time comes",
        "/ends_at",
        cron="0 0 1 1 *",
        starts_at="2027-02-01T00:00:00Z",
        ends_at="2027-12-31T00:00:00Z",
    ),
    cron("begins when Temporal's calendar is over", "/starts_at", starts_at="2999-01-01T00:00:00Z"),
    bad("paused a string", "/paused", paused="true"),
    bad("paused a number", "/paused", paused=1),
    bad("paused null", "/paused", paused=None),
    bad("catch_up_window too short", "/catch_up_window", catch_up_window=9),
    bad("catch_up_window too long", "/catch_up_window", catch_up_window=10**9),
    bad("catch_up_window a string", "/catch_up_window", catch_up_window="1h"),
    bad("expires_after zero", "/expires_after", expires_after=0),
    bad("expires_after too long", "/expires_after", expires_after=10**9),
    bad("expires_after a fraction", "/expires_after", expires_after=0.5),
    bad("no template", "/notification", notification=...),
    bad("template null", "/notification", notification=None),
    bad("template a list", "/notification", notification=[EMAIL]),
    bad(
        "template empty",
        *(f"/notification/{name}" for name in ("channel", "recipient", "body")),
        notification={},
    ),
    template("send_at", "send_at", send_at="2027-06-01T00:00:00Z"),
    template("send_at garbage", "send_at", send_at="now"),
    template("expires_at", "expires_at", expires_at="2027-06-01T00:00:00Z"),
    template("expires_at past", "expires_at", expires_at="2020-06-01T00:00:00Z"),
    template("unknown field", "bogus", bogus=1),
    template("field of ours", "schedule_id", schedule_id=str(uuid4())),
    template("bad recipient", "recipient", recipient="ada"),
    template("no subject", "subject", subject=...),
    template("two faults between fields", "recipient", "provider", recipient="ada", provider="twilio"),
    template("bad tag", "tags/1", tags=["a", ""]),
    template("body too long", "body", body="b" * 10_001),
    Bad(
        "faults inside and outside",
        ["/notification/expires_at", "/cron", "/notification/recipient"],
        {
            "every": ...,
            "notification": EMAIL | {"recipient": "ada", "expires_at": "2027-06-01T00:00:00Z"},
        },
    ),
]


@pytest.fixture
async def schedules(
    database_url: str, temporal_server: TemporalServer, temporal_client: Client
) -> AsyncIterator[Schedules]:
    key, _ = await make_key(database_url, f"tenant-{uuid4()}")
    async with running_api(database_url, temporal_server.address, key=key) as api:
        schedules = Schedules(api, temporal_client)
        yield schedules
        await schedules.clean_up()


async def test_each_bad_schedule_is_refused_by_the_fields_name_and_leaves_nothing(
    schedules: Schedules,
) -> None:
    answers = await asyncio.gather(*(schedules.post(**case.fields) for case in BAD))
    for case, answer in zip(BAD, answers, strict=True):
        assert answer.status == 422, (case.name, answer.text)
        assert answer.pointers == case.pointers, (case.name, answer.text)
        words = [error["detail"] for error in answer.json["errors"]]
        assert all(word and "Input should" not in word for word in words), (case.name, words)
    # One that is good shows in the list, and nothing beside it.
    good = (await schedules.create())["id"]

    async def listed() -> list[str] | None:
        answer = await schedules.api.get("/v1/schedules?per_page=100")
        return [entry["id"] for entry in answer.json["data"]] or None

    assert await eventually(lambda: _settled(listed, good)) == [good]


async def _settled(listed: Any, good: str) -> list[str] | None:
    found: list[str] | None = await listed()
    return found if found and good in found and len(found) == 1 else None


@pytest.mark.parametrize("document", ["null", "[]", '"hourly"', "1", "{}"])
async def test_what_is_no_schedule_at_all_is_refused(schedules: Schedules, document: str) -> None:
    answer = await schedules.api.post("/v1/schedules", data=document.encode(), headers=JSON)
    assert (answer.status, answer.kind) == (422, "validation")


async def test_bodies_are_read_as_submissions_are(schedules: Schedules) -> None:
    post = schedules.api.post
    assert (await post("/v1/schedules", data=b"{")).status == 415
    assert (await post("/v1/schedules", data=b"{", headers=JSON)).kind == "invalid-json"
    assert (await post("/v1/schedules", data=b" " * 1_000_001, headers=JSON)).kind == "too-large"
    keyed = await post("/v1/schedules", json=HOURLY, headers={"Idempotency-Key": "1"})
    assert (keyed.status, keyed.kind) == (400, "bad-request")
    assert (await post("/v1/schedules", json=HOURLY, key=None)).status == 401
    put = await schedules.api.call("PUT", "/v1/schedules")
    assert (put.status, put.headers["Allow"]) == (405, "GET, HEAD, POST")


async def test_templates_of_every_channel_are_taken(schedules: Schedules) -> None:
    recipients = {
        Channel.SMS: "+14155550100",
        Channel.PUSH: "a" * 64,
        Channel.WEBHOOK: "https://example.com/hook",
        Channel.CHAT: "slack://T1/B2/x3",
    }
    for channel, recipient in recipients.items():
        notification = {"channel": channel, "recipient": recipient, "body": "Hi"}
        created = await schedules.create(notification=notification)
        assert created["notification"]["recipient"] == recipient
