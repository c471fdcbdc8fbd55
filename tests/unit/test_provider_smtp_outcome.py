"""The table from SMTP replies to outcomes, and queue ids."""

import pytest

from tidings.errors import PermanentFailure, ProviderMisconfigured, SendFailure, TransientFailure
from tidings.providers.smtp_outcome import failure_for, queue_id


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (421, "closing", TransientFailure),
        (450, "4.2.1 greylisted", TransientFailure),
        (452, "4.2.2 full", TransientFailure),
        (552, "5.2.2 full", TransientFailure),
        (552, "5.2.20 no such thing", PermanentFailure),
        (552, "5.3.4 too big", PermanentFailure),
        (550, "see 5.2.2 of our manual", PermanentFailure),
        (550, "5.1.1 unknown", PermanentFailure),
        (530, "5.7.0 log in", ProviderMisconfigured),
        (535, "5.7.8 no", ProviderMisconfigured),
    ],
)
def test_the_reply_decides(code: int, text: str, kind: type[SendFailure]) -> None:
    failure = failure_for(code, text)
    assert (type(failure), failure.code, failure.message) == (kind, f"smtp_{code}", text)


def test_before_there_is_a_message_a_refusal_is_about_us() -> None:
    assert type(failure_for(554, "blocked", about_us=True)) is ProviderMisconfigured
    assert type(failure_for(454, "later", about_us=True)) is TransientFailure


def test_a_reply_that_is_none_is_passing_before_the_message_is_out() -> None:
    failure = failure_for(-1, "Malformed SMTP response line: SSH-2.0")
    assert (type(failure), failure.code) == (TransientFailure, "smtp_protocol")


def test_what_the_server_says_can_be_stored() -> None:
    message = failure_for(550, "a\udcff\n\x1b[31m" + "b" * 1000).message
    assert message.encode("utf-8")
    assert message.isprintable()
    assert len(message) == 500


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.0.0 Ok: queued as 4XyZ12", "4XyZ12"),
        ("OK id=1rABcd-0001-xY", "1rABcd-0001-xY"),
        (
            "Ok 0100018c2b3d4e5f-aaaa-bbbb-cccc-1234567890ab-000000",
            "0100018c2b3d4e5f-aaaa-bbbb-cccc-1234567890ab-000000",
        ),
        ("2.0.0 Message accepted for delivery", None),
        ("Ok thankyouverymuchindeed", None),
        ("", None),
    ],
)
def test_the_queue_id_is_read_where_there_is_one(text: str, expected: str | None) -> None:
    assert queue_id(text) == expected
