"""The waits between the client's tries, and what `Retry-After` may say."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tidings.client.retrying import Retrying, seconds_of


def test_waits_grow_to_a_cap_and_are_shortened_by_up_to_half() -> None:
    retrying = Retrying(first=0.2, factor=2, cap=5)
    assert [retrying.wait(count, None, lambda: 0) for count in range(1, 8)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5, 5]
    assert [retrying.wait(count, None, lambda: 1) for count in range(1, 4)] == [0.1, 0.2, 0.4]
    assert retrying.wait(100_000, None, lambda: 0) == 5


def test_retry_after_lengthens_a_wait_and_shortens_none() -> None:
    retrying = Retrying(first=0.2, factor=2, cap=5)
    assert retrying.wait(1, 30, lambda: 0) == 30
    assert retrying.wait(1, 30, lambda: 1) > 30
    assert retrying.wait(6, 0, lambda: 0) == 5


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, None),
        ("0", 0),
        (" 120 ", 120),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("9" * 400, None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_what_retry_after_may_say(said: str | None, seconds: float | None) -> None:
    assert seconds_of(said) == seconds


def test_retry_after_may_be_a_date() -> None:
    seconds = seconds_of(format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True))
    assert seconds is not None
    assert 3_000 < seconds <= 3_600
