"""What the client makes of answers: refusals, what is not the API at all, and what a newer one says."""

import asyncio
from typing import Any

import pytest

from tests.integration.client_calls import AWAY, CREATED, EMAIL, KEY, ONCE, client_of
from tests.integration.scripted_api import (
    ID,
    NOTIFICATION,
    Step,
    never_ends,
    problem,
    says,
    scripted_api,
)
from tidings.client import (
    ApiProblem,
    ConflictProblem,
    EndedOtherwise,
    InvalidProblem,
    MessageFields,
    NotFoundProblem,
    NotReachable,
    Status,
    Tidings,
    UnauthorizedProblem,
    UnavailableProblem,
    UnexpectedAnswer,
    WaitTimeout,
)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidProblem),
        (401, UnauthorizedProblem),
        (404, NotFoundProblem),
        (409, ConflictProblem),
        (413, InvalidProblem),
        (418, ApiProblem),
        (422, InvalidProblem),
        (501, UnavailableProblem),
    ],
)
async def test_what_will_not_pass_is_asked_once(status: int, kind: type[ApiProblem]) -> None:
    async with client_of(problem(status, "a-kind", "It says why.")) as (client, api, _):
        with pytest.raises(ApiProblem, match="It says why") as raised:
            await client.send(**EMAIL)
    assert (type(raised.value), raised.value.status, len(api.seen)) == (kind, status, 1)


async def test_a_validation_problem_shows_each_field_and_nothing_that_steers_a_terminal() -> None:
    faults = [{"pointer": "/recipient", "detail": "is no \x1b[31mnumber"}, "nonsense", {"pointer": 7}]
    refused = problem(422, "validation", "Some fields are not valid.", errors=faults)
    async with client_of(refused) as (client, _, _):
        with pytest.raises(InvalidProblem) as raised:
            await client.send(**EMAIL)
    assert [fault.pointer for fault in raised.value.errors] == ["/recipient", "?"]
    lines = str(raised.value).splitlines()
    assert lines[0] == "validation: Some fields are not valid."
    assert lines[1] == "  /recipient: is no \N{REPLACEMENT CHARACTER}[31mnumber"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (says(200, text="<html>Hello</html>", kind="text/html"), "not JSON"),
        (says(200, text="", kind="text/html"), "body"),
        (says(200, []), "body"),
        (says(200, {"id": 7}), "id"),
        (says(200, NOTIFICATION | {"created_at": "2026-11-21T06:07:39"}), "created_at"),
        (says(200, text="[" * 100_000), "not JSON"),
        (says(204, text=""), "body"),
        (never_ends(b" " * 65_536), "longer than 1,000,000 bytes"),
    ],
)
async def test_what_is_not_the_api_is_said_to_be_so(answer: Step, said: str) -> None:
    async with client_of(answer, max_answer_bytes=1_000_000) as (client, api, _):
        with pytest.raises(UnexpectedAnswer, match=said):
            await client.get(ID)
    assert len(api.seen) == 1


async def test_a_page_of_html_in_place_of_a_problem_is_an_error_of_its_status() -> None:
    async with client_of(says(502, text="<html>nginx</html>", kind="text/html"), retrying=ONCE) as (
        client,
        _,
        _,
    ):
        with pytest.raises(UnavailableProblem, match=r"HTTP 502: .*text/html") as raised:
            await client.get(ID)
    assert (raised.value.type, raised.value.errors) == ("about:blank", ())


async def test_a_redirect_is_refused_and_the_key_goes_nowhere_else() -> None:
    async with scripted_api(CREATED) as other:
        async with client_of(says(307, {}, Location=f"{other.url}/v1/notifications")) as (client, api, _):
            with pytest.raises(UnexpectedAnswer, match="redirects to") as raised:
                await client.send(**EMAIL)
        assert (raised.value.status, len(api.seen), other.seen) == (307, 1, [])


async def test_something_that_speaks_no_http_is_said_to_be_so() -> None:
    async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        await writer.drain()
        await reader.read(65_536)
        writer.close()

    server = await asyncio.start_server(greets, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with Tidings(f"http://127.0.0.1:{port}", KEY, retrying=ONCE) as client:
            with pytest.raises((UnexpectedAnswer, NotReachable)):
                await client.get(ID)


async def test_an_endless_list_ends() -> None:
    page = says(200, {"data": [NOTIFICATION], "next_cursor": "again"})
    async with client_of(page) as (client, api, _):
        with pytest.raises(UnexpectedAnswer, match="goes on where it has just been"):
            _ = [notification async for notification in client.list(status="pending")]
    assert [request.path for request in api.seen] == [
        "/v1/notifications?per_page=100&status=pending",
        "/v1/notifications?per_page=100&status=pending&cursor=again",
    ]


async def test_many_at_once_are_answered_one_by_one_each_under_a_key_of_its_own() -> None:
    refused = {"type": "/problems/validation", "title": "Not valid", "status": 422, "detail": "No subject."}
    answer = {
        "data": [
            {"status": 201, "notification": NOTIFICATION},
            {
                "status": 422,
                "problem": refused | {"errors": [{"pointer": "/subject", "detail": "is required"}]},
            },
        ]
    }
    sms: MessageFields = {"channel": "sms", "recipient": "+15005550006", "body": "Hi", "idempotency_key": "k"}
    async with client_of(AWAY, says(207, answer)) as (client, api, _):
        good, bad = await client.send_many([EMAIL, sms])
        assert api.seen[0].body == api.seen[1].body
    items = api.seen[0].json["notifications"]
    assert (good.accepted().id, good.idempotency_key) == (ID, items[0]["idempotency_key"])
    assert (bad.status, bad.idempotency_key, bad.notification) == (422, "k", None)
    with pytest.raises(InvalidProblem, match="/subject: is required"):
        bad.accepted()
    async with client_of(says(207, answer)) as (client, _, _):
        with pytest.raises(UnexpectedAnswer, match="tells of 2 notifications, not of 1"):
            await client.send_many([EMAIL])


async def test_waiting_ends_with_the_status_with_the_time_or_with_another_end() -> None:
    def at(status: str, **more: Any) -> Step:
        return says(200, NOTIFICATION | {"status": status, "body": "Hi"} | more)

    async with client_of(at("pending"), at("sending"), at("sent")) as (client, _, _):
        assert (await client.wait(ID)).status is Status.SENT
    async with client_of(at("delivered")) as (client, _, _):
        assert (await client.wait(ID, until={Status.SENT})).status is Status.DELIVERED
    async with client_of(at("sent")) as (client, api, _):
        with pytest.raises(WaitTimeout, match="is still sent"):
            await client.wait(ID, until={Status.DELIVERED}, timeout=0.2)
        assert len(api.seen) > 1
    failed = at("failed", error={"code": "smtp_550", "message": "no such user"})
    async with client_of(failed) as (client, _, _):
        with pytest.raises(EndedOtherwise, match="smtp_550: no such user") as raised:
            await client.wait(ID, until={Status.SENT})
    assert raised.value.notification.is_final


async def test_health_names_what_is_missing_and_asks_once() -> None:
    away = problem(503, "not-ready", "Cannot be used now: postgres.", parts=["postgres"])
    async with client_of(away) as (client, api, _):
        health = await client.health()
    assert (health.ready, health.parts, len(api.seen)) == (False, ["postgres"], 1)


async def test_what_a_newer_api_adds_is_kept_and_breaks_nothing() -> None:
    newer = NOTIFICATION | {"status": "postponed", "channel": "fax", "mood": {"of": "the day"}, "body": "Hi"}
    async with client_of(says(200, newer)) as (client, _, _):
        found = await client.get(ID)
    assert (found.status, found.channel, found.is_final) == ("postponed", "fax", False)
    assert found.to_json() == newer
    assert found.created_at.utcoffset() is not None
