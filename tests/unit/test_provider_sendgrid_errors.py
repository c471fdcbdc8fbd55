"""SendGrid's statuses and the fields it names, as its API gives them; and what we ask it for."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.provider_support import outgoing, provider_settings
from tidings.domain.vocabulary import Channel
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    SetupError,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.http_call import HttpAnswer
from tidings.providers.mail import Sender
from tidings.providers.sendgrid import (
    SendgridProvider,
    SendgridSettings,
    failure_for,
    mail_send,
)

ROWS: list[tuple[str, int, str | None, type[SendFailure]]] = [
    ("200", 200, None, ProviderMisconfigured),
    ("400", 400, None, PermanentFailure),
    ("400_personalizations", 400, "personalizations.0.to.0.email", PermanentFailure),
    ("400_subject", 400, "subject", PermanentFailure),
    ("400_content", 400, "content.0.value", PermanentFailure),
    ("400_attachments", 400, "attachments.0.content", PermanentFailure),
    ("400_from", 400, "from.email", ProviderMisconfigured),
    ("400_reply_to", 400, "reply_to.email", ProviderMisconfigured),
    ("400_headers", 400, "headers", ProviderMisconfigured),
    ("400_custom_args", 400, "custom_args", ProviderMisconfigured),
    ("400_categories", 400, "categories", ProviderMisconfigured),
    ("400_asm", 400, "asm.group_id", ProviderMisconfigured),
    ("400_ip_pool_name", 400, "ip_pool_name", ProviderMisconfigured),
    ("400_mail_settings", 400, "mail_settings.footer.text", ProviderMisconfigured),
    ("400_tracking_settings", 400, "tracking_settings.ganalytics", ProviderMisconfigured),
    ("401", 401, None, ProviderMisconfigured),
    ("403", 403, "from", ProviderMisconfigured),
    ("404", 404, None, ProviderMisconfigured),
    ("405", 405, None, ProviderMisconfigured),
    ("406", 406, None, ProviderMisconfigured),
    ("413", 413, None, PermanentFailure),
    ("415", 415, None, ProviderMisconfigured),
    ("429", 429, None, TransientFailure),
    ("451", 451, None, ProviderMisconfigured),
    ("500", 500, None, TransientFailure),
    ("503", 503, None, TransientFailure),
]
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def answer(status: int, *fields: str | None, **headers: str) -> HttpAnswer:
    faults = [{"message": f"{field} is wrong", "field": field, "help": None} for field in fields]
    return HttpAnswer(status, headers, json.dumps({"errors": faults}))


@pytest.mark.parametrize(("row", "status", "field", "kind"), ROWS)
def test_a_row_of_sendgrid(row: str, status: int, field: str | None, kind: type[SendFailure]) -> None:
    failure = failure_for(answer(status, field))
    assert (type(failure), failure.code) == (kind, f"sendgrid_{row}")
    assert failure.message == f"{field} is wrong"


def test_several_faults_are_the_messages_only_if_all_of_them_are() -> None:
    failure = failure_for(answer(400, "subject", "from.email"))
    assert (type(failure), failure.code) == (ProviderMisconfigured, "sendgrid_400_from")
    assert failure.message == "subject is wrong; from.email is wrong"
    failure = failure_for(answer(400, "template_id", "subject", None))
    assert (type(failure), failure.code) == (PermanentFailure, "sendgrid_400_subject")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (201, UnknownOutcome),
        (302, ProviderMisconfigured),
        (408, TransientFailure),
        (502, TransientFailure),
        (504, TransientFailure),
    ],
)
def test_a_status_decides_where_the_table_says_nothing(status: int, kind: type[SendFailure]) -> None:
    for text in ("<h1>sorry</h1>", "", '{"errors": "x"}', '{"errors": [1, {"field": 7}]}', "null"):
        failure = failure_for(HttpAnswer(status, {}, text))
        assert (type(failure), failure.code) == (kind, f"sendgrid_{status}")
        assert failure.message.startswith(f"HTTP {status} ")


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 30)}, timedelta(seconds=30)),
        ({"X-RateLimit-Reset": "1392815263"}, timedelta()),
        ({"X-RateLimit-Reset": "9" * 40}, timedelta(days=30)),
        ({"X-RateLimit-Reset": "soon"}, None),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 30), "Retry-After": "7"}, timedelta(seconds=7)),
        ({}, None),
    ],
)
def test_the_wait_until_the_rate_limit_is_reset(headers: dict[str, str], wait: timedelta | None) -> None:
    failure = failure_for(answer(429, None, **headers), NOW)
    assert isinstance(failure, TransientFailure)
    assert failure.retry_after == wait
    # Every answer carries the limit's headers: elsewhere they ask for nothing.
    failure = failure_for(answer(503, None, **{"X-RateLimit-Reset": "9999999999"}), NOW)
    assert isinstance(failure, TransientFailure)
    assert failure.retry_after is None


def test_the_request_is_the_same_for_every_attempt() -> None:
    message = outgoing(Channel.EMAIL, "ada@bücher.example", subject="Grüße", html="<b>日本語</b>")
    again = outgoing(
        Channel.EMAIL,
        "ada@bücher.example",
        subject="Grüße",
        html="<b>日本語</b>",
        notification_id=message.notification_id,
        number=3,
    )
    sender = Sender("Tidings", "notifications@example.com")
    assert mail_send(message, sender) == mail_send(again, sender)
    assert mail_send(message, sender) == {
        "personalizations": [
            {
                "to": [{"email": "ada@xn--bcher-kva.example"}],
                "custom_args": {"tidings_notification": message.key},
            }
        ],
        "from": {"email": "notifications@example.com", "name": "Tidings"},
        "subject": "Grüße",
        "content": [
            {"type": "text/plain", "value": "It works."},
            {"type": "text/html", "value": "<b>日本語</b>"},
        ],
        "headers": {
            "Message-ID": f"<{message.key}@example.com>",
            "X-Tidings-Notification": message.key,
            "Auto-Submitted": "auto-generated",
        },
    }


@pytest.mark.parametrize("recipient", ["a@x.example,evil@x.example", "Ada <a@x.example>", "a", ""])
def test_only_exactly_one_address_is_written_to(recipient: str) -> None:
    with pytest.raises(PermanentFailure) as raised:
        mail_send(outgoing(Channel.EMAIL, recipient), Sender("", "n@example.com"))
    assert raised.value.code == "recipient_invalid"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"sendgrid_from": "nobody"}, "TIDINGS_SENDGRID_FROM"),
        ({"sendgrid_url": "ftp://api.sendgrid.com"}, "TIDINGS_SENDGRID_URL"),
    ],
)
def test_settings_that_cannot_work_are_named_at_the_start(given: dict[str, str], named: str) -> None:
    with pytest.raises(SetupError, match=named):
        SendgridProvider(provider_settings(), SendgridSettings.load(_env_file=None, **given))
