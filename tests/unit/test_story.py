"""The texts of the Temporal Web UI: a story for whoever never read the code, without personal data."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter

from tidings.domain.decision import Terms
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Attempt, DeliveryError, DeliveryState, Notification
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.vocabulary import Guarantee, Outcome, Status
from tidings.messages.delivery import SHOWN_ATTEMPTS, SendRequest, SignalNote
from tidings.temporal import story
from tidings.temporal.start_options import start_options
from workflows.story.page import (
    SHOWN_SIGNALS,
    Trace,
    details,
    refused_retry_line,
    signal_line,
    unknown_signal_line,
)
from workflows.story.steps import attempt_summary

ID = "01947a5c-1b2e-7d11-9a3f-0123456789ab"
AT = datetime(2026, 11, 21, 12, 3, 10, tzinfo=UTC)
DUE = AT + timedelta(seconds=60)
CANARY = "canary.ada@example.com"
BUSY = DeliveryError(code="twilio_429", message=f"Too many for {CANARY}")


def attempt(number: int = 1, **fields: Any) -> Attempt:
    given = {"outcome": Outcome.TRANSIENT, "error": BUSY, "started_at": AT, "finished_at": AT} | fields
    return Attempt(number=number, provider="twilio", **given)


def request(**fields: Any) -> SendRequest:
    state = DeliveryState(status=Status.RETRYING, attempt_count=3, error=BUSY, updated_at=AT)
    automatic = fields.pop("automatic", True)
    terms = Terms(
        retry=RetrySchedule(),
        guarantee=Guarantee.AT_LEAST_ONCE,
        route=["twilio"],
        automatic=automatic,
        spread=0,
    )
    given = {"number": 4, "provider": "twilio", "state": state, "terms": terms, "channel": "sms"} | fields
    return SendRequest(notification_id=new_id(), timeout=30, **given)


def page(status: Status, *attempts: Attempt, **fields: Any) -> str:
    known: dict[str, Any] = {"under_way": None, "signals": [], "recorded": True}
    known |= {name: fields.pop(name) for name in list(fields) if name in known}
    count = attempts[-1].number if attempts else 0
    given = {"attempt_count": count, "provider": "twilio", "updated_at": AT} | fields
    state = DeliveryState(status=status, **given)
    return details(Trace(id=ID, queue="tidings-sms", state=state, attempts=list(attempts), **known))


def test_a_backoff_says_what_it_waits_for_since_when_until_when_and_why() -> None:
    shown = page(
        Status.RETRYING,
        attempt(3),
        error=BUSY,
        next_attempt_at=DUE,
        under_way=request(due=DUE),
        expires_at=AT + timedelta(hours=1),
    )
    assert shown.split("\n\n") == [
        "**retrying** since 2026-11-21 12:03:10 UTC: waits for attempt 4.",
        "Attempt 4 by twilio at 2026-11-21 12:04:10 UTC: backoff after `twilio_429`. If that is past, it is"
        " under way, or no worker serves the task queue `tidings-sms`.",
        "Nothing is sent from 2026-11-21 13:03:10 UTC on: it expires then.",
        "| no. | provider | ended (UTC) | outcome |\n"
        "| --- | --- | --- | --- |\n"
        "| 3\u00a0 | twilio\u00a0 | 21\u00a0Nov\u00a012:03:10\u00a0 "
        "| transient, `twilio_429`: a passing cause |",
        f"To try again now: `tidings retry {ID}`, or\n"
        f"`temporal workflow signal --workflow-id notification-{ID} --name retry`",
        f"To send nothing more: `tidings cancel {ID}`, or\n"
        f"`temporal workflow signal --workflow-id notification-{ID} --name cancel`",
    ]


def test_a_provider_that_asked_for_the_wait_is_named() -> None:
    asked = attempt(3, retry_after=60.0)
    shown = page(Status.RETRYING, asked, error=BUSY, next_attempt_at=DUE)
    assert "Attempt 4 at 2026-11-21 12:04:10 UTC: twilio asked us to wait 60 s with `twilio_429`." in shown
    later = page(Status.RETRYING, asked, error=BUSY, next_attempt_at=DUE + timedelta(seconds=30))
    assert "backoff after `twilio_429`" in later


@pytest.mark.parametrize(
    ("status", "last", "words"),
    [
        (Status.PENDING, None, "accepted, nothing sent yet"),
        (Status.SCHEDULED, None, "waits for its `send_at`"),
        (Status.RETRYING, attempt(), "waits to expire, for no attempt fits before that"),
        (Status.SENT, attempt(outcome="accepted", error=None), "twilio took it"),
        (Status.DELIVERED, attempt(outcome="accepted", error=None), "a receipt says that it arrived"),
        (Status.FAILED, attempt(), "out of attempts (`twilio_429`)"),
        (Status.FAILED, attempt(outcome="permanent"), "refused for good by twilio (`twilio_429`)"),
        (Status.FAILED, attempt(outcome="permanent", misconfigured=True), "our own set-up was refused"),
        (Status.FAILED, attempt(error=None), "given up (`twilio_429`)"),
        (Status.UNKNOWN, attempt(outcome="unknown"), "it may or may not have gone out"),
        (Status.CANCELLED, None, "stopped before any provider took it"),
        (Status.EXPIRED, None, "`expires_at` passed before a provider took it"),
    ],
)
def test_a_status_is_put_in_words(status: Status, last: Attempt | None, words: str) -> None:
    attempts = [last] if last else []
    error = BUSY if last and status not in (Status.SENT, Status.DELIVERED) else None
    first = page(status, *attempts, error=error).splitlines()[0]
    assert first.startswith(f"**{status}** since 2026-11-21 12:03:10 UTC: ")
    assert words in first


def test_a_suppressed_recipient_is_said_without_the_recipient() -> None:
    error = DeliveryError(code="suppressed", message=f"{CANARY} is on the list")
    assert "the recipient is on the suppression list (`suppressed`)" in page(Status.FAILED, error=error)


def test_an_attempt_under_way_is_shown_as_sending() -> None:
    shown = page(Status.RETRYING, attempt(3), error=BUSY, next_attempt_at=DUE, under_way=request(due=None))
    assert shown.startswith("**sending**: attempt 4 by twilio is under way.")
    assert "retry" not in shown
    assert f"`tidings cancel {ID}`" in shown


def test_what_the_database_does_not_have_yet_is_said() -> None:
    assert "The database does not have this yet" in page(Status.PENDING, recorded=False)
    assert "The database" not in page(Status.PENDING)


@pytest.mark.parametrize(
    ("status", "commands"),
    [
        (Status.PENDING, ["cancel"]),
        (Status.SCHEDULED, ["cancel"]),
        (Status.RETRYING, ["retry", "cancel"]),
        (Status.FAILED, ["retry"]),
        (Status.UNKNOWN, ["retry"]),
        (Status.EXPIRED, ["retry"]),
        (Status.SENT, []),
        (Status.DELIVERED, []),
        (Status.CANCELLED, []),
    ],
)
def test_only_the_commands_that_have_an_effect_are_offered(status: Status, commands: list[str]) -> None:
    shown = page(status)
    assert [name for name in ("retry", "cancel") if f"tidings {name} {ID}" in shown] == commands


@pytest.mark.parametrize("code", [CANARY, "4155550123", "a b", "x" * 65, "a|b", "`", "日本", ""])
def test_a_code_that_is_none_is_not_shown(code: str) -> None:
    error = DeliveryError(code=code, message=CANARY)
    shown = page(Status.FAILED, attempt(error=error), error=error)
    assert "`other`" in shown
    assert not code or f"`{code}`" not in shown
    assert CANARY not in shown
    assert "canary" not in attempt_summary(
        request(due=DUE, state=request().state.model_copy(update={"error": error}))
    )


def test_a_reason_is_masked_and_shown_as_it_was_typed_but_on_one_line() -> None:
    note = SignalNote(reason=f"asked by {CANARY}\non +1 415 555 0123; `<b>*bold*</b>`\x00")
    assert signal_line(AT, "retry", note) == (
        "2026-11-21 12:03:10 UTC: `retry`: `asked by [email] on [number]; '<b>*bold*</b>'`"
    )
    assert signal_line(AT, "retry", SignalNote()) == "2026-11-21 12:03:10 UTC: `retry`"


def test_an_address_at_the_end_of_a_long_reason_is_masked_before_the_reason_is_cut() -> None:
    line = signal_line(AT, "cancel", SignalNote(reason="x " * 95 + CANARY))
    assert "canary" not in line


def test_signals_that_are_not_followed_say_why() -> None:
    assert "its argument cannot be read" in refused_retry_line(AT, None)
    assert "its `expires_at` is past" in refused_retry_line(AT, SignalNote())
    assert "there is no signal `[email]`" in unknown_signal_line(AT, CANARY)


@pytest.mark.parametrize(
    ("fields", "summary"),
    [
        ({}, "attempt 4 by twilio"),
        ({"due": DUE}, "attempt 4 by twilio, backoff until 12:04:10 UTC after twilio_429"),
        (
            {"due": DUE, "channel": None},
            "attempt 4 by twilio (test mode), backoff until 12:04:10 UTC after twilio_429",
        ),
        (
            {"due": AT + timedelta(days=1)},
            "attempt 4 by twilio, backoff until 2026-11-22 12:03:10 UTC after twilio_429",
        ),
        ({"due": AT}, "attempt 4 by twilio, at once after twilio_429"),
        ({"automatic": False}, "attempt 4 by twilio, by hand"),
        (
            {"state": DeliveryState(status=Status.SENDING, updated_at=AT), "due": DUE},
            "attempt 4 by twilio, asks what became of it: its worker was lost",
        ),
    ],
)
def test_the_summary_of_an_attempt_says_who_sends_and_what_it_waits_for(
    fields: dict[str, Any], summary: str
) -> None:
    assert attempt_summary(request(**fields)) == summary


@pytest.mark.parametrize(
    ("fields", "summary"),
    [
        ({}, "email notification, normal priority"),
        ({"mode": "test", "priority": "critical"}, "email notification, critical priority, test mode"),
        ({"guarantee": "at_most_once"}, "email notification, normal priority, at most once"),
        ({"send_at": DUE}, "email notification, normal priority, scheduled for 2026-11-21 12:04:10 UTC"),
    ],
)
def test_the_summary_at_the_start_says_what_kind_it_is(fields: dict[str, Any], summary: str) -> None:
    assert start_options(a_notification(**fields))["static_summary"] == summary


def test_a_run_that_takes_over_says_so() -> None:
    state = DeliveryState(status=Status.FAILED, attempt_count=7, updated_at=AT)
    summary = start_options(a_notification(), state)["static_summary"]
    assert summary == "email notification, normal priority, taken up again after attempt 7"


WIDE: list[Callable[[int], str]] = [
    lambda n: "x" * n,
    lambda n: "日" * n,
    lambda n: "😀" * n,
    lambda n: '"\\' * n,
]


@pytest.mark.parametrize("wide", WIDE, ids=["ascii", "three bytes", "four bytes", "escaped"])
def test_however_much_there_is_to_say_temporal_takes_it(wide: Callable[[int], str]) -> None:
    provider = wide(300)
    attempts = [
        attempt(999_000 + number).model_copy(update={"provider": provider})
        for number in range(SHOWN_ATTEMPTS)
    ]
    notes = [signal_line(AT, "retry", SignalNote(reason=wide(5_000))) for _ in range(SHOWN_SIGNALS)]
    shown = page(Status.RETRYING, *attempts, error=BUSY, next_attempt_at=DUE, signals=notes)
    assert size(shown) <= 20_000
    assert size(attempt_summary(request(due=DUE, provider=provider))) <= 200
    assert size(story.receipt_summary(provider)) <= 200


def test_all_that_is_shown_at_most_leaves_room_for_the_commands() -> None:
    attempts = [attempt(999_000 + number, retry_after=86_400.0) for number in range(SHOWN_ATTEMPTS)]
    notes = [signal_line(AT, "retry", SignalNote(reason="😀" * 5_000)) for _ in range(SHOWN_SIGNALS)]
    shown = page(Status.RETRYING, *attempts, error=BUSY, next_attempt_at=DUE, signals=notes)
    assert shown.endswith("--name cancel`")


def a_notification(**fields: Any) -> Notification:
    given = {"id": new_id(), "tenant": "acme", "channel": "email", "recipient": CANARY, "body": CANARY}
    return Notification.model_validate(given | {"created_at": AT} | fields)


def size(text: str) -> int:
    """Bytes as Temporal counts them: those of the payload."""
    (payload,) = pydantic_data_converter.payload_converter.to_payloads([text])
    return len(payload.data)
