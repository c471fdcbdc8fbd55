"""What SMS and push submissions may hold: segments, data, collapse keys, and the size of a push message."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from api.problems import Problem
from api.schemas.notification import NotificationView, WorkflowView
from api.schemas.schedule_submission import schedule_from
from api.schemas.submission import notification_from
from tests.provider_support import outgoing
from tidings.domain.identifiers import new_id
from tidings.domain.notification import DeliveryState, Notification
from tidings.domain.push_payload import MOST_BYTES, payload_bytes
from tidings.domain.record import NotificationRecord
from tidings.domain.vocabulary import Channel
from tidings.providers import apns, fcm, push

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SMS = {"channel": "sms", "recipient": "+14155550123", "body": "Hi"}
PUSH = {"channel": "push", "recipient": "token-of-a-device", "body": "Hi"}
EMAIL = {"channel": "email", "recipient": "ada@example.com", "subject": "Hi", "body": "Hi"}


def accepted(**fields: Any) -> Notification:
    return notification_from(fields, id=new_id(), tenant="acme", now=NOW)


def pointers(**fields: Any) -> list[str]:
    with pytest.raises(Problem) as raised:
        accepted(**fields)
    return [error.pointer for error in raised.value.errors]


def view(notification: Notification) -> NotificationView:
    record = NotificationRecord(notification=notification, state=DeliveryState.initial(notification))
    return NotificationView.of(record, WorkflowView(id="x", url="x"))


@pytest.mark.parametrize(
    ("body", "count", "encoding", "characters"),
    [
        ("Hi", 1, "gsm-7", 2),
        ("x" * 161, 2, "gsm-7", 161),
        ("€" * 81, 2, "gsm-7", 81),
        ("日本", 1, "ucs-2", 2),
        ("🎉" * 36, 2, "ucs-2", 36),
    ],
)
def test_the_segments_of_an_sms_are_shown(body: str, count: int, encoding: str, characters: int) -> None:
    segments = view(accepted(**SMS | {"body": body})).segments
    assert segments is not None
    assert (segments.count, segments.encoding, segments.characters) == (count, encoding, characters)


def test_other_channels_have_no_segments() -> None:
    assert view(accepted(**EMAIL)).segments is None


@pytest.mark.parametrize(
    ("body", "fits"), [("x" * 1530, True), ("x" * 1531, False), ("ж" * 670, True), ("ж" * 671, False)]
)
def test_ten_segments_are_the_most(body: str, fits: bool) -> None:
    if fits:
        assert accepted(**SMS | {"body": body}).body == body
    else:
        assert pointers(**SMS | {"body": body}) == ["/body"]


def test_the_most_segments_are_a_setting() -> None:
    asked = SMS | {"body": "x" * 161}
    with pytest.raises(Problem):
        notification_from(asked, id=new_id(), tenant="acme", now=NOW, most_segments=1)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (EMAIL | {"data": {"a": "b"}}, "/data"),
        (SMS | {"collapse_key": "a"}, "/collapse_key"),
        (PUSH | {"data": {}}, "/data"),
        (PUSH | {"data": []}, "/data"),
        (PUSH | {"data": {"a": 7}}, "/data/a"),
        (PUSH | {"data": {"a": {"b": "c"}}}, "/data/a"),
        (PUSH | {"data": {"a": "\x00"}}, "/data/a"),
        (PUSH | {"data": {"": "x"}}, "/data/"),
        (PUSH | {"data": {"from": "x"}}, "/data/from"),
        (PUSH | {"data": {"google.x": "x"}}, "/data/google.x"),
        (PUSH | {"data": {"aps": "x"}}, "/data/aps"),
        (PUSH | {"data": {"tidings_id": "x"}}, "/data/tidings_id"),
        (PUSH | {"data": {"a": "x" * 4_100}}, "/data"),
        (PUSH | {"metadata": {"a": "x" * 4_100}}, "/metadata"),
        (PUSH | {"body": "日" * 1_400}, "/body"),
        (PUSH | {"collapse_key": ""}, "/collapse_key"),
        (PUSH | {"collapse_key": 7}, "/collapse_key"),
        (PUSH | {"collapse_key": "a\nb"}, "/collapse_key"),
        (PUSH | {"collapse_key": "x" * 65}, "/collapse_key"),
        (PUSH | {"collapse_key": "日" * 22}, "/collapse_key"),
    ],
)
def test_what_is_refused_is_named(fields: dict[str, Any], expected: str) -> None:
    assert expected in pointers(**fields)


def test_with_data_the_metadata_stays_here() -> None:
    metadata = {"secret": "x" * 9_000, "collapse_key": "theirs"}
    given = accepted(**PUSH | {"data": {"order": "7"}, "metadata": metadata, "collapse_key": "ours"})
    message = outgoing(
        Channel.PUSH, given.recipient, data=given.data, metadata=metadata, collapse_key=given.collapse_key
    )
    assert push.data(message) == {"order": "7"}
    assert fcm.content(message)["data"] == {"order": "7", "tidings_id": message.key}
    assert fcm.content(message)["android"]["collapseKey"] == "ours"
    assert set(apns.content(message)) == {"order", "aps"}
    assert apns.headers(message, "app")["apns-collapse-id"] == "ours"


@given(
    subject=st.none() | st.text(min_size=1, max_size=200),
    body=st.text(min_size=1, max_size=2_000),
    data=st.dictionaries(st.text(min_size=1, max_size=40), st.text(max_size=900), max_size=6),
)
def test_what_is_taken_is_never_too_large_for_a_vendor(
    subject: str | None, body: str, data: dict[str, str]
) -> None:
    assume({"aps", "tidings_id"}.isdisjoint(data))
    size = payload_bytes(subject, body, data)
    message = outgoing(Channel.PUSH, "token-of-a-device", subject=subject, body=body, data=data)
    content = fcm.content(message)
    theirs = {"notification": content["notification"], "data": content["data"]}
    largest = max(len(push.compact_json(form)) for form in (apns.content(message), theirs))
    assert largest <= size <= max(largest, MOST_BYTES) + 100


def test_schedules_take_data_and_collapse_keys() -> None:
    document = {"notification": PUSH | {"data": {"a": "b"}, "collapse_key": "k"}, "every": 3_600}
    schedule, _ = schedule_from(document, id=new_id(), tenant="acme", now=NOW)
    fired = schedule.notification(new_id(), NOW)
    assert (fired.data, fired.collapse_key) == ({"a": "b"}, "k")
