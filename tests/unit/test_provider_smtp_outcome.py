"""The table from SMTP replies to outcomes, and queue ids."""

import pytest

from tidings.errors import PermanentFailure, ProviderMisconfigured, SendFailure, TransientFailure
from tidings.providers.smtp_outcome import ERRORS, MISCONFIGURED, Stage, failure_for, queue_id


@pytest.mark.parametrize(("enhanced", "kind"), ERRORS.items())
def test_every_row_of_the_table(enhanced: str, kind: type[SendFailure]) -> None:
    failure = failure_for(550, f"{enhanced} whatever it says", Stage.RECIPIENT)
    assert (type(failure), failure.code) == (kind, f"smtp_550_{enhanced}")
    assert failure.message == f"{enhanced} whatever it says"


@pytest.mark.parametrize(
    ("code", "stage", "suppresses"),
    [
        (550, Stage.RECIPIENT, "hard_bounce"),
        (550, Stage.CONTENT, "hard_bounce"),
        (550, Stage.SESSION, None),
        (530, Stage.RECIPIENT, None),
        (450, Stage.RECIPIENT, None),
    ],
)
def test_a_mailbox_that_is_not_there_gets_nothing_more(
    code: int, stage: Stage, suppresses: str | None
) -> None:
    assert getattr(failure_for(code, "5.1.1 no such user", stage), "suppresses", None) == suppresses
    assert getattr(failure_for(code, "5.2.1 disabled", stage), "suppresses", None) is None


PASSING = ["4.1.8", "4.2.1", "4.2.2", "4.3.1", "4.3.2", "4.4.2", "4.4.5", "4.5.3", "4.7.0", "4.7.1", "4.7.28"]


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("enhanced", PASSING)
def test_every_refusal_for_now_is_passing(enhanced: str, stage: Stage) -> None:
    """Greylisting, rate limits, a name server that was away: all of policy too."""
    failure = failure_for(450, f"{enhanced} later", stage)
    assert (type(failure), failure.code) == (TransientFailure, f"smtp_450_{enhanced}")


@pytest.mark.parametrize(
    ("code", "text", "stage", "kind", "name"),
    [
        (421, "closing", Stage.CONTENT, TransientFailure, "smtp_421"),
        (450, "mailbox busy", Stage.RECIPIENT, TransientFailure, "smtp_450"),
        (451, "local error", Stage.CONTENT, TransientFailure, "smtp_451"),
        (454, "4.7.0 TLS not available now", Stage.SESSION, TransientFailure, "smtp_454_4.7.0"),
        (500, "what?", Stage.CONTENT, PermanentFailure, "smtp_500"),
        (501, "5.5.4 bad arguments", Stage.RECIPIENT, PermanentFailure, "smtp_501_5.5.4"),
        (521, "host takes no mail", Stage.SESSION, ProviderMisconfigured, "smtp_521"),
        (550, "no such user", Stage.RECIPIENT, PermanentFailure, "smtp_550"),
        (551, "not local", Stage.RECIPIENT, PermanentFailure, "smtp_551"),
        (552, "quota", Stage.RECIPIENT, TransientFailure, "smtp_552"),
        (552, "too big", Stage.CONTENT, PermanentFailure, "smtp_552"),
        (552, "5.3.4 too big", Stage.RECIPIENT, PermanentFailure, "smtp_552_5.3.4"),
        (552, "5.2.20 no such detail", Stage.RECIPIENT, PermanentFailure, "smtp_552_5.2.20"),
        (553, "not allowed", Stage.RECIPIENT, PermanentFailure, "smtp_553"),
        (553, "5.7.1 not yours", Stage.SENDER, ProviderMisconfigured, "smtp_553_5.7.1"),
        (550, "sender refused", Stage.SENDER, ProviderMisconfigured, "smtp_550"),
        (552, "5.3.4 too big", Stage.SENDER, PermanentFailure, "smtp_552_5.3.4"),
        (554, "5.7.1 relay access denied", Stage.RECIPIENT, PermanentFailure, "smtp_554_5.7.1"),
        (554, "5.7.1 looks like spam", Stage.CONTENT, PermanentFailure, "smtp_554_5.7.1"),
        (554, "5.7.1 your host is listed", Stage.SESSION, ProviderMisconfigured, "smtp_554_5.7.1"),
        (556, "5.1.10 null MX", Stage.RECIPIENT, PermanentFailure, "smtp_556_5.1.10"),
        (550, "see 5.2.2 of our manual", Stage.RECIPIENT, PermanentFailure, "smtp_550"),
        (550, "4.2.2 full", Stage.RECIPIENT, TransientFailure, "smtp_550_4.2.2"),
        (450, "5.1.1 unknown", Stage.RECIPIENT, TransientFailure, "smtp_450_5.1.1"),
        (550, "5.2.2 full", Stage.SESSION, ProviderMisconfigured, "smtp_550_5.2.2"),
    ],
)
def test_reply_enhanced_code_and_stage_decide(
    code: int, text: str, stage: Stage, kind: type[SendFailure], name: str
) -> None:
    failure = failure_for(code, text, stage)
    assert (type(failure), failure.code, failure.message) == (kind, name, text)


@pytest.mark.parametrize("code", sorted(MISCONFIGURED))
@pytest.mark.parametrize("stage", Stage)
def test_log_in_and_encryption_are_our_setup_at_every_stage(code: int, stage: Stage) -> None:
    assert type(failure_for(code, "5.1.1 what?", stage)) is ProviderMisconfigured


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
