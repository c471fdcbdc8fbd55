"""Whatever JSON comes in becomes a notification or a validation problem, nothing else."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from api.problems import Problem
from api.schemas.listing import cursor_of, position_from_cursor
from api.schemas.submission import notification_from
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Notification
from tidings.domain.record import Position
from tidings.domain.vocabulary import Channel
from tidings.messages.delivery import DeliveryRequest
from tidings.provider_catalogue import catalogue

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RECIPIENTS = {
    "email": "ada@example.com",
    "sms": "+14155550123",
    "push": "token-of-a-device",
    "webhook": "https://example.com/hook",
    "chat": "slack://T1/B2/x3",
}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)
likely = st.fixed_dictionaries(
    {"channel": st.sampled_from(sorted(RECIPIENTS)), "recipient": st.sampled_from([*RECIPIENTS.values()])},
    optional={
        "subject": st.text(max_size=220) | anything,
        "body": st.text() | anything,
        "html": st.text() | anything,
        "metadata": st.dictionaries(st.text(), anything, max_size=3) | anything,
        "tags": st.lists(st.text(max_size=60), max_size=12) | anything,
        "send_at": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat) | anything,
        "expires_at": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat) | anything,
        "priority": st.sampled_from(["high", "bulk"]) | anything,
        "provider": st.sampled_from(["smtp", "webhook"]) | anything,
    },
)


def accepted(**fields: Any) -> Notification:
    document = {"channel": "email", "subject": "Hi", "body": "Hi", **fields}
    document.setdefault("recipient", RECIPIENTS[document["channel"]])
    return notification_from(document, id=new_id(), tenant="acme", now=NOW)


@given(anything | likely)
def test_any_document_is_a_notification_or_a_validation_problem(document: Any) -> None:
    answer = answer_to(document)
    if isinstance(answer, Problem):
        assert answer.kind.name == "validation"
        assert answer.errors
        assert all(error.pointer == "" or error.pointer.startswith("/") for error in answer.errors)
    else:
        # What was accepted comes through Temporal unchanged, and can be stored.
        request = DeliveryRequest(notification=answer)
        assert DeliveryRequest.model_validate(from_json(request.model_dump_json())) == request
        assert "\\u0000" not in json.dumps([answer.metadata, answer.body]).replace("\\\\", "")


def answer_to(document: Any) -> Notification | Problem:
    try:
        return notification_from(document, id=new_id(), tenant="acme", now=NOW)
    except Problem as problem:
        return problem


@given(st.text())
def test_no_cursor_that_is_not_ours_is_taken(cursor: str) -> None:
    with pytest.raises(Problem, match="invalid-cursor"):
        position_from_cursor("acme", cursor)


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)), st.uuids())
def test_a_cursor_leads_back_to_its_position_for_its_tenant_only(created_at: datetime, id: UUID) -> None:
    position = Position(created_at, id)
    assert position_from_cursor("acme", cursor_of("acme", position)) == position
    with pytest.raises(Problem, match="invalid-cursor"):
        position_from_cursor("other", cursor_of("acme", position))


def test_a_cursor_beyond_all_time_is_not_ours_though_its_check_is_right() -> None:
    position = b"\xff" * 8 + new_id().bytes
    check = hashlib.sha256(position + b"acme").digest()[:4]
    with pytest.raises(Problem, match="invalid-cursor"):
        position_from_cursor("acme", base64.urlsafe_b64encode(position + check).decode())


@pytest.mark.parametrize(
    "send_at",
    [
        "2026-11-21T14:30:00+02:00",
        "2026-11-21t12:30:00z",
        "2026-11-21T12:30:00.000000000Z",
        "2026-11-21T12:30:00-00:00",
    ],
)
def test_times_are_taken_in_every_form_of_rfc_3339_and_kept_in_utc(send_at: str) -> None:
    taken = accepted(send_at=send_at).send_at
    assert taken == NOW + timedelta(minutes=30)
    assert taken is not None
    assert taken.tzinfo is UTC


def test_subject_and_html_go_with_their_channels() -> None:
    assert accepted(channel="push", subject="Hi").subject == "Hi"
    assert accepted(channel="sms", subject=None, html=None).subject is None
    assert accepted(html="<p>Hi</p>").html == "<p>Hi</p>"


@pytest.mark.parametrize("channel", Channel)
def test_every_provider_of_a_channel_can_be_pinned(channel: Channel) -> None:
    subject = None if channel is Channel.SMS else "Hi"
    for provider in catalogue().names(channel):
        assert accepted(channel=channel.value, subject=subject, provider=provider).provider == provider


def test_null_means_not_given() -> None:
    optional = dict.fromkeys(("html", "metadata", "send_at", "expires_at", "provider"))
    assert accepted(**optional).model_dump(exclude={"id"}) == accepted().model_dump(exclude={"id"})


def test_expiry_goes_by_send_at() -> None:
    send_at, expires_at = "2026-11-22T00:00:00Z", "2026-11-22T00:00:01Z"
    assert accepted(send_at=send_at, expires_at=expires_at).expires_at is not None
    # A `send_at` in the past means now, and `expires_at` must still be ahead.
    assert accepted(send_at="2020-01-01T00:00:00Z", expires_at=expires_at).expires_at is not None
    with pytest.raises(Problem) as refused:
        accepted(send_at=send_at, expires_at=send_at)
    assert [error.pointer for error in refused.value.errors] == ["/expires_at"]
