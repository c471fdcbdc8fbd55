"""What the client does when the API is in trouble, or something else stands in its place."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.integration.scripted_api import (
    ID,
    NOTIFICATION,
    ScriptedApi,
    Step,
    breaks_off,
    never_ends,
    problem,
    resets,
    says,
    scripted_api,
)
from tests.provider_support import certificate
from tests.support import free_port
from tidings import __version__
from tidings.client import (
    ApiProblem,
    Attachment,
    ConflictProblem,
    EndedOtherwise,
    InvalidCall,
    InvalidProblem,
    MessageFields,
    NotFoundProblem,
    NotReachable,
    RateLimitedProblem,
    Retry,
    Retrying,
    Status,
    Tidings,
    UnauthorizedProblem,
    UnavailableProblem,
    UnexpectedAnswer,
    WaitTimeout,
)

KEY = "td_live_0123456789abcdef"
EMAIL: MessageFields = {
    "channel": "email",
    "recipient": "ada@example.com",
    "subject": "Hello",
    "body": "Hi",
}
CREATED = says(201, NOTIFICATION)
AWAY = problem(503, "orchestrator-unavailable", "Temporal is away.")
QUICK = Retrying(total=20, first=0.001, cap=0.01)
ONCE = Retrying(total=0)

Call = Callable[[Tidings], Awaitable[Any]]


@asynccontextmanager
async def client_of(*script: Step, **options: Any) -> AsyncIterator[tuple[Tidings, ScriptedApi, list[Retry]]]:
    """A client, the scripted API it calls, and what it tells of its retries."""
    told: list[Retry] = []
    given: dict[str, Any] = {"retrying": QUICK} | options
    async with scripted_api(*script) as api, Tidings(api.url, KEY, on_retry=told.append, **given) as client:
        yield client, api, told


@pytest.mark.parametrize(
    "failure",
    [
        *(says(status, {}) for status in (408, 425, 429, 500, 502, 503, 504)),
        says(502, text="<html>Bad gateway</html>", kind="text/html"),
        resets(),
        breaks_off(),
    ],
)
async def test_a_submission_survives_a_passing_failure_under_one_key_and_one_body(failure: Step) -> None:
    async with client_of(failure, failure, CREATED) as (client, api, told):
        sent = await client.send(**EMAIL | {"metadata": {"order": 1042}})
    assert sent.id == ID
    keys = {request.headers["Idempotency-Key"] for request in api.seen}
    bodies = {request.body for request in api.seen}
    assert (len(api.seen), len(keys), len(bodies), len(told)) == (3, 1, 1, 2)
    assert all(len(key) == 36 for key in keys)


async def test_two_calls_have_two_keys_and_a_given_one_is_taken_as_it_is() -> None:
    async with client_of(CREATED) as (client, api, _):
        for _ in range(2):
            await client.send(**EMAIL)
        await client.send(**EMAIL | {"idempotency_key": "order-1042"})
    keys = [request.headers["Idempotency-Key"] for request in api.seen]
    assert len(set(keys)) == 3
    assert keys[2] == "order-1042"
    assert all("idempotency_key" not in request.json for request in api.seen)


async def test_retry_after_is_waited_for() -> None:
    asked = problem(503, "orchestrator-unavailable", "Away.", headers={"Retry_After": "1"})
    async with client_of(asked, CREATED) as (client, api, told):
        await client.send(**EMAIL)
    assert len(api.seen) == 2
    assert [retry.wait >= 1 for retry in told] == [True]


async def test_a_retry_after_beyond_the_time_is_an_error_at_once() -> None:
    asked = problem(429, "rate-limited", "Slow down.", headers={"Retry_After": "3600"})
    async with client_of(asked) as (client, api, told):
        with pytest.raises(RateLimitedProblem) as raised:
            await client.send(**EMAIL)
    assert (raised.value.retry_after, len(api.seen), told) == (3600, 1, [])


async def test_the_last_failure_is_raised_when_the_time_is_over() -> None:
    async with client_of(AWAY, retrying=Retrying(total=0.2, first=0.05)) as (client, api, told):
        with pytest.raises(UnavailableProblem, match=r"Temporal is away\.") as raised:
            await client.send(**EMAIL)
    assert raised.value.kind == "orchestrator-unavailable"
    assert len(api.seen) == len(told) + 1 > 1


async def test_nobody_there_is_tried_again_and_named() -> None:
    told: list[Retry] = []
    url = f"http://127.0.0.1:{free_port()}"
    async with Tidings(url, KEY, retrying=Retrying(total=0.2, first=0.05), on_retry=told.append) as client:
        with pytest.raises(NotReachable, match="nobody listens there") as raised:
            await client.get(ID)
    assert url in str(raised.value)
    assert not raised.value.may_have_arrived
    assert told


async def test_a_host_that_is_not_there_is_named_as_that() -> None:
    async with Tidings("http://nowhere.invalid", KEY, retrying=ONCE) as client:
        with pytest.raises(NotReachable, match="there is no such host"):
            await client.get(ID)


async def test_a_certificate_that_nobody_vouches_for_is_refused_once(tmp_path: Path) -> None:
    tls, file = certificate(tmp_path)
    told: list[Retry] = []
    async with scripted_api(CREATED, tls=tls) as api:
        async with Tidings(api.url, KEY, retrying=QUICK, on_retry=told.append) as client:
            with pytest.raises(NotReachable, match=r"TLS: .*certificate"):
                await client.send(**EMAIL)
        assert (api.seen, told) == ([], [])
        trusting = ssl.create_default_context(cafile=str(file))
        async with Tidings(api.url, KEY, tls=trusting) as client:
            assert (await client.send(**EMAIL)).id == ID


async def test_no_answer_in_time_is_tried_again_and_says_that_the_request_may_have_arrived() -> None:
    async def hangs(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with client_of(hangs, CREATED, timeout=0.3) as (client, api, told):
        assert (await client.send(**EMAIL)).id == ID
        assert [retry.reason for retry in told] == ["it does not answer"]
    async with client_of(hangs, timeout=0.3, retrying=ONCE) as (client, api, _):
        with pytest.raises(NotReachable, match="it does not answer") as raised:
            await client.send(**EMAIL)
    assert raised.value.may_have_arrived
    assert len(api.seen) == 1


NOT_TWICE: list[Call] = [
    lambda client: client.retry(ID),
    lambda client: client.schedules.create(notification=EMAIL, every=60),
    lambda client: client.webhook_endpoints.add("https://example.com/hook"),
    lambda client: client.webhook_endpoints.rotate(ID),
]


@pytest.mark.parametrize("call", NOT_TWICE)
@pytest.mark.parametrize("failure", [AWAY, resets(), says(500, {})])
async def test_what_could_happen_twice_is_not_repeated_after_it_may_have_begun(
    call: Call, failure: Step
) -> None:
    async with client_of(failure) as (client, api, told):
        with pytest.raises((UnavailableProblem, NotReachable)):
            await call(client)
    assert (len(api.seen), told) == (1, [])


@pytest.mark.parametrize("call", NOT_TWICE)
async def test_what_could_happen_twice_is_repeated_after_it_was_turned_away(call: Call) -> None:
    async with client_of(says(429, {}), problem(404, "not-found", "No such thing.")) as (client, api, _):
        with pytest.raises(NotFoundProblem):
            await call(client)
    assert len(api.seen) == 2


async def test_a_cancel_whose_answer_was_lost_is_no_conflict() -> None:
    late = problem(409, "wrong-status", "It is cancelled.", notification_status="cancelled")
    cancelled = says(200, NOTIFICATION | {"status": "cancelled", "body": "Hi"})
    async with client_of(resets(), late, cancelled) as (client, api, _):
        assert (await client.cancel(ID)).status is Status.CANCELLED
    assert [request.method for request in api.seen] == ["POST", "POST", "GET"]
    async with client_of(late) as (client, api, _):
        with pytest.raises(ConflictProblem):
            await client.cancel(ID)
        assert len(api.seen) == 1
    sent = problem(409, "wrong-status", "It is sent.", notification_status="sent")
    async with client_of(resets(), sent) as (client, api, _):
        with pytest.raises(ConflictProblem, match="It is sent"):
            await client.cancel(ID)


async def test_a_deletion_whose_answer_was_lost_is_done_and_one_of_nothing_is_refused() -> None:
    gone = problem(404, "not-found", "There is no schedule with this id.")
    async with client_of(resets(), gone) as (client, api, _):
        await client.schedules.delete(ID)
    assert [request.method for request in api.seen] == ["DELETE", "DELETE"]
    async with client_of(gone) as (client, api, _):
        with pytest.raises(NotFoundProblem):
            await client.schedules.delete(ID)


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


async def test_times_and_attachments_go_out_as_the_api_takes_them() -> None:
    async with client_of(CREATED) as (client, api, _):
        await client.send(
            channel="email",
            recipient="ada@example.com",
            body="Hi",
            send_at=datetime.fromisoformat("2027-01-31T09:00:00+01:00"),
            attachments=[Attachment("a.txt", "text/plain", b"Hello", "logo")],
            html=None,
        )
    document = api.seen[0].json
    assert document["send_at"] == "2027-01-31T09:00:00+01:00"
    assert document["attachments"] == [
        {"filename": "a.txt", "content_type": "text/plain", "content": "SGVsbG8=", "content_id": "logo"}
    ]
    assert "html" not in document
    assert api.seen[0].headers["User-Agent"] == f"tidings-python/{__version__}"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda client: client.send(**EMAIL | {"send_at": datetime.fromisoformat("2027-01-31")}),
            "send_at needs",
        ),
        (lambda client: client.send(**EMAIL | {"metadata": {"order": float("nan")}}), "what JSON cannot"),
        (lambda client: client.send(**EMAIL | {"metadata": {"order": object()}}), "what JSON cannot"),
        (
            lambda client: client.send(**EMAIL | {"idempotency_key": "a\nb"}),
            "idempotency_key must be visible",
        ),
        (lambda client: client.get(""), "must not be empty"),
        (lambda client: client.get(".."), "dots"),
    ],
)
async def test_what_cannot_be_sent_is_refused_and_named_before_anything_goes_out(
    call: Call, said: str
) -> None:
    async with client_of(CREATED) as (client, api, _):
        with pytest.raises(InvalidCall, match=said):
            await call(client)
    assert api.seen == []


async def test_an_id_names_no_other_path() -> None:
    async with client_of(problem(404, "not-found", "None.")) as (client, api, _):
        with pytest.raises(NotFoundProblem):
            await client.get("../schedules?x=1#y")
    assert api.seen[0].path == "/v1/notifications/..%2Fschedules%3Fx=1%23y"


@pytest.mark.parametrize(
    "url",
    ["nonsense", "ftp://example.com", "http://", "http://a b", "http://x/?a=1", "http://x:0", "http://[x"],
)
def test_an_address_that_is_none_is_refused_and_named(url: str) -> None:
    with pytest.raises(InvalidCall) as raised:
        Tidings(url, KEY)
    assert url in str(raised.value)


def test_no_password_and_no_key_is_shown() -> None:
    with pytest.raises(InvalidCall) as raised:
        Tidings("http://ada:hunter2@example.com", KEY)
    assert "hunter2" not in str(raised.value)
    for key in ("", "td_live_\n", "td live", "schlüssel"):
        with pytest.raises(InvalidCall) as refused:
            Tidings("http://example.com", key)
        assert not key or key not in str(refused.value)


async def test_the_key_goes_out_and_appears_nowhere_else(capfd: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler()
    logger = logging.getLogger("tidings.client")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        async with client_of(AWAY, problem(401, "unauthorized", "No.")) as (client, api, told):
            with pytest.raises(UnauthorizedProblem) as raised:
                await client.send(**EMAIL)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert api.seen[0].headers["Authorization"] == f"Bearer {KEY}"
    err = capfd.readouterr().err
    assert "HTTP 503" in err
    everything = [
        err,
        repr(client),
        repr(client.schedules),
        repr(raised.value),
        str(raised.value),
        repr(told),
    ]
    assert not any(KEY in text for text in everything)


async def test_a_closed_client_says_so() -> None:
    async with client_of(CREATED) as (client, _, _):
        pass
    with pytest.raises(InvalidCall, match="closed"):
        await client.send(**EMAIL)
