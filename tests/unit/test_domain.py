"""The words and rules everything else is built on."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.domain.identifiers import new_id
from tidings.domain.notification import Attempt, DeliveryState, Notification
from tidings.domain.recipient import checked_recipient
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.vocabulary import PARKED, Channel, Outcome, Priority, Status
from tidings.temporal import names

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def notification(**fields: object) -> Notification:
    given = {"id": new_id(), "tenant": "acme", "channel": "sms", "recipient": "+14155550123", "body": "Hi"}
    return Notification.model_validate({**given, "created_at": NOW, **fields})


def test_ids_are_version_7_and_ordered_by_time() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert all(identifier.version == 7 for identifier in ids)
    assert ids == sorted(ids)
    assert len(set(ids)) == 1_000


def test_delays_grow_by_the_factor_up_to_the_cap_and_end_with_the_budget() -> None:
    schedule = RetrySchedule(attempts=6, first=5, factor=4, cap=300, jitter=0)
    assert [schedule.delay_after(n, 0.5) for n in range(1, 7)] == [5, 20, 80, 300, 300, None]


@given(
    made=st.integers(0, 998),
    spread=st.floats(0, 1, exclude_max=True),
    asked=st.none() | st.floats(0, 1e6),
    jitter=st.floats(0, 0.99),
)
def test_a_delay_stays_within_its_jitter_and_never_undercuts_retry_after(
    made: int, spread: float, asked: float | None, jitter: float
) -> None:
    schedule = RetrySchedule(attempts=1_000, first=5, factor=4, cap=36_000, jitter=jitter)
    delay = schedule.delay_after(made, spread, asked)
    assert delay is not None
    assert delay >= (asked or 0)
    assert delay <= max(36_000 * (1 + jitter), asked or 0)


def test_a_cap_below_the_first_delay_is_refused() -> None:
    with pytest.raises(ValueError, match="cap"):
        RetrySchedule(first=10, cap=5)


def test_initial_state_is_scheduled_only_for_a_time_to_come() -> None:
    assert DeliveryState.initial(notification()).status is Status.PENDING
    past = DeliveryState.initial(notification(send_at=NOW - timedelta(hours=1)))
    assert (past.status, past.next_attempt_at) == (Status.PENDING, None)
    later = DeliveryState.initial(notification(send_at=NOW + timedelta(hours=1)))
    assert (later.status, later.next_attempt_at) == (Status.SCHEDULED, NOW + timedelta(hours=1))


def test_every_move_is_a_new_revision_and_sent_at_is_set_once() -> None:
    sending = DeliveryState.initial(notification()).sending(1, "smtp", NOW)
    first = Attempt(number=1, provider="smtp", outcome=Outcome.ACCEPTED, started_at=NOW, finished_at=NOW)
    sent = sending.accepted(first)
    later = first.model_copy(update={"finished_at": NOW + timedelta(hours=1)})
    assert [sending.revision, sent.revision] == [1, 2]
    assert sent.sent_at == NOW
    assert sent.accepted(later).sent_at == NOW


def test_what_is_parked_is_final() -> None:
    assert all(status.is_final and status.is_parked for status in PARKED)
    assert [status for status in Status if not status.is_final] == [
        "pending",
        "scheduled",
        "sending",
        "retrying",
    ]


@pytest.mark.parametrize(
    ("channel", "recipient", "kept"),
    [
        ("email", "ada@example.com", "ada@example.com"),
        ("email", "ada@EXAMPLE.com", "ada@example.com"),
        ("email", "jürgen@bücher.example", "jürgen@bücher.example"),
        ("sms", "+14155550123", "+14155550123"),
        ("push", "fcm:token-0123456789", "fcm:token-0123456789"),
        ("webhook", "http://127.0.0.1:8025/hooks/a", "http://127.0.0.1:8025/hooks/a"),
        ("chat", "slack://T1/B2/x3", "slack://T1/B2/x3"),
    ],
)
def test_good_recipients_are_kept_in_their_normal_form(channel: str, recipient: str, kept: str) -> None:
    assert checked_recipient(Channel(channel), recipient) == kept


@pytest.mark.parametrize(
    ("channel", "recipient"),
    [
        ("email", "ada"),
        ("email", "ada@"),
        ("email", "a@example.com,b@example.com"),
        ("email", "Ada <ada@example.com>"),
        ("email", "ada@example.com\r\nBcc: eve@example.com"),
        ("email", "ada@example.com\x00"),
        ("sms", "4155550123"),
        ("sms", "+0155550123"),
        ("sms", "+1415555012a"),
        ("sms", "+1 415 555 0123"),
        ("sms", "+\u0661\u0664155550123"),
        ("sms", "+14"),
        ("push", "short"),
        ("push", "with space in it"),
        ("push", "x" * 5_000),
        ("webhook", "ftp://example.com/"),
        ("webhook", "https://"),
        ("webhook", "https://user:password@example.com/"),
        ("webhook", "https://example.com:99999/"),
        ("webhook", "https://example.com:0/"),
        ("webhook", "https://exa mple.com/"),
        ("webhook", "https://example.com/\n"),
        ("webhook", "https://example.com/" + "a" * 2_048),
    ],
)
def test_bad_recipients_are_refused(channel: str, recipient: str) -> None:
    with pytest.raises(ValueError, match=r"is not|must not"):
        checked_recipient(Channel(channel), recipient)


def test_names_are_those_of_the_contract() -> None:
    identifier = UUID("01a1fc6e-0931-76c3-bf47-56ae9d6b2455")
    assert names.workflow_id(identifier) == "notification-01a1fc6e-0931-76c3-bf47-56ae9d6b2455"
    assert [names.send_queue(channel) for channel in Channel] == [
        "tidings-email",
        "tidings-sms",
        "tidings-push",
        "tidings-webhook",
        "tidings-chat",
    ]
    assert [names.PRIORITY_KEYS[priority] for priority in Priority] == [1, 2, 3, 4, 5]
    assert names.web_ui_url("http://127.0.0.1:8233/", "default", identifier) == (
        "http://127.0.0.1:8233/namespaces/default/workflows/notification-01a1fc6e-0931-76c3-bf47-56ae9d6b2455"
    )


def test_the_fairness_key_is_the_tenant_or_a_lasting_hash_of_a_long_one() -> None:
    def key(tenant: str) -> str:
        priority = names.place(Priority.HIGH, tenant)
        assert priority.priority_key == 2
        assert priority.fairness_key is not None
        return priority.fairness_key

    assert key("acme") == "acme"
    assert key("a" * 64) == "a" * 64
    assert key("ü" * 33) == "e8c875213d61293576759660efd35edf"
    assert key("ü" * 33 + "a") != key("ü" * 33 + "b")
    assert len(key("ü" * 1_000)) <= 64
