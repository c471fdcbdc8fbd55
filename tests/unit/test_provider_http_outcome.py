"""The table from HTTP status codes to outcomes, and `Retry-After`."""

from datetime import UTC, datetime, timedelta

import pytest
from multidict import CIMultiDict

from tidings.errors import PermanentFailure, ProviderMisconfigured, SendFailure, TransientFailure
from tidings.providers.http_outcome import failure_for, retry_after

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((408, 425, 429, 500, 501, 502, 503, 504, 507, 599), TransientFailure),
        ((401, 403, 407), ProviderMisconfigured),
        ((400, 404, 405, 409, 410, 413, 415, 418, 422, 301, 302, 303, 304, 307, 308, 600), PermanentFailure),
    ],
)
def test_the_status_decides(statuses: tuple[int, ...], kind: type[SendFailure]) -> None:
    failures = {status: failure_for(status, {}, "") for status in statuses}
    assert {status: type(failure) for status, failure in failures.items()} == dict.fromkeys(statuses, kind)
    assert {failure.code for failure in failures.values() if failure} == {f"http_{s}" for s in statuses}


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_acceptance(status: int) -> None:
    assert failure_for(status, {}, "whatever") is None


def test_the_message_is_one_line_of_what_the_server_said() -> None:
    failure = failure_for(410, {}, "gone\r\n\x00for \u202egood ")
    assert failure is not None
    assert failure.message == "HTTP 410 Gone: gone for good"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("Wed, 04 Mar 2026 05:06:37 GMT", 30),
        ("Wed, 04 Mar 2026 05:00:00 GMT", 0),
        ("Wednesday, 04-Mar-26 05:06:37 GMT", 30),
        ("9" * 5000, 30 * 86_400),
        ("Wed, 04 Mar 9998 05:06:37 GMT", 30 * 86_400),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: int) -> None:
    assert retry_after(value, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("value", [None, "", "soon", "-5", "1.5", "²", "٣", "Wed, 99 Mar 2026 05:06:37 GMT"])
def test_a_retry_after_that_says_nothing_is_none(value: str | None) -> None:
    assert retry_after(value, NOW) is None


def test_only_a_passing_failure_carries_it() -> None:
    failure = failure_for(429, CIMultiDict({"retry-after": "3"}), "")
    assert isinstance(failure, TransientFailure)
    assert failure.retry_after == timedelta(seconds=3)
