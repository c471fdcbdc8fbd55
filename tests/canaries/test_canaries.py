"""Nobody reads an address, a number, a text or a secret where they have no business: canaries go by every
path, and are looked for in all that Temporal keeps, in logs, metrics and traces."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from tests.canaries import places, refused, sending, steering
from tests.canaries.canary import Canaries
from tests.canaries.places import Search
from tests.canaries.stage import Stage, staged
from tests.figures import CANARIES

Paths = Sequence[Callable[[Stage], Awaitable[None]]]
Property = Callable[[str, object], None]

TOGETHER: Paths = (*sending.PATHS, *steering.PATHS, *refused.PATHS)
IN_TURN: Paths = (steering.while_postgres_is_away, refused.what_postgres_refuses)

WITHOUT_KEYS: Paths = (
    *(sending.email_by_smtp, sending.sms_by_twilio, sending.push_by_fcm, sending.webhook, sending.chat),
    *(sending.mail_that_is_refused_by_name, steering.retry_and_cancel_over_http_with_reasons),
    *(steering.schedules,),
)

NOTIFICATION = {
    *(
        "address",
        "domain",
        "number",
        "device token",
        "URL path",
        "URL secret",
        "chat token",
        "subject",
        "body",
    ),
    *("html", "file name", "metadata key", "metadata", "data key", "data", "collapse key", "tag"),
}
"""What a notification holds. The contents of files are in Postgres alone."""


async def searched(stage: Stage, together: Paths, in_turn: Paths) -> Search:
    """Send canaries by these paths, at once and one after the other, and look for them everywhere."""
    outcomes = await asyncio.gather(*(path(stage) for path in together), return_exceptions=True)
    failed = {path.__name__: error for path, error in zip(together, outcomes, strict=True) if error}
    assert failed == {}
    for path in in_turn:
        await path(stage)
    search = Search(stage.canaries)
    await places.look_while_running(stage, search)
    await stage.system.end()
    await stage.temporal.stop()
    await places.look_after_the_end(stage, search)
    return search


def report(search: Search, payloads: str, paths: int, record_property: Property) -> None:
    """For `--figures`."""
    for place, *counts in search.table():
        record_property(CANARIES, (payloads, place, paths, *counts))


@pytest.mark.figure("canaries: every path, nothing found in clear")
async def test_nothing_stands_in_clear_where_it_has_no_business(
    tmp_path: Path, record_property: Property
) -> None:
    async with staged(tmp_path) as stage:
        search = await searched(stage, TOGETHER, IN_TURN)
        kept = stage.canaries.found_in(await places.kept_in_postgres(stage))
    report(search, "sealed", len(TOGETHER) + len(IN_TURN), record_property)
    assert search.leaks() == set()
    # They were on their way: the owner's database has them, and the words of a reason are shown.
    assert {canary.kind for canary, _ in kept} >= NOTIFICATION | {"file", "host", "idempotency key"}
    assert search.found(places.STORY) == {"reason"}
    seen = {place: search.places[place].witnesses for place in places.WITNESSES}
    assert seen == {place: set(witnesses) for place, witnesses in places.WITNESSES.items()}


@pytest.mark.figure("canaries: without keys, the same search finds them")
async def test_without_keys_the_same_search_finds_them(tmp_path: Path, record_property: Property) -> None:
    async with staged(tmp_path, sealed=False) as stage:
        memo = {"note": stage.word("memo")}
        planted = await stage.client.start_workflow("Nothing", id="planted", task_queue="nobody", memo=memo)
        await planted.terminate()
        search = await searched(stage, WITHOUT_KEYS, (steering.while_postgres_is_away,))
    report(search, "in clear", len(WITHOUT_KEYS) + 1, record_property)
    content = NOTIFICATION | {"reason"}
    assert search.found(places.DATABASE) >= content | {"memo"}
    assert search.found(places.HISTORIES) >= content
    assert search.found(places.WEB_UI) >= content | {"memo"}
    assert search.found(places.SCHEDULES) >= {
        "address",
        "domain",
        "subject",
        "body",
        "html",
        "metadata",
        "tag",
    }
    assert search.found(places.STORY) >= {"reason", "address"}
    assert search.found(places.DESCRIPTIONS) >= {"memo"}


def test_the_search_finds_every_canary_in_every_notation() -> None:
    canaries = Canaries()
    made = [canaries.word("word"), canaries.foreign("foreign"), canaries.number(), canaries.address()]
    assert len(made) == len(canaries.all) - 1
    for canary in canaries.all:
        for name, form in canary.notations.items():
            assert (canary, name) in canaries.found_in(b"\xff" * 500 + form + b" and more")
    assert canaries.found_in(b"nothing") == set()
