"""What the client sends, what it refuses to send, and that it shows no secret."""

import logging
from datetime import datetime

import pytest

from tests.integration.client_calls import AWAY, CREATED, EMAIL, KEY, Call, client_of
from tests.integration.scripted_api import (
    problem,
)
from tidings import __version__
from tidings.client import (
    Attachment,
    InvalidCall,
    NotFoundProblem,
    Tidings,
    UnauthorizedProblem,
)


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
