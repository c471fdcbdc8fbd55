"""What the client does when the API is in trouble: what it tries again, and what not."""

import asyncio
import ssl
from pathlib import Path

import pytest
from aiohttp import web

from tests.integration.client_calls import AWAY, CREATED, EMAIL, KEY, ONCE, QUICK, Call, client_of
from tests.integration.scripted_api import (
    ID,
    NOTIFICATION,
    Step,
    breaks_off,
    problem,
    resets,
    says,
    scripted_api,
)
from tests.provider_support import certificate
from tests.support import free_port
from tidings.client import (
    ConflictProblem,
    NotFoundProblem,
    NotReachable,
    RateLimitedProblem,
    Retry,
    Retrying,
    Status,
    Tidings,
    UnavailableProblem,
)


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
