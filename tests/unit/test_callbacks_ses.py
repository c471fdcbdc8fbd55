"""SES's events by SNS: what they mean, and that nothing but SNS's own, of allowed topics, are taken."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.callbacks import (
    TOPIC,
    ServedSns,
    ses_callback,
    ses_event,
    ses_reader,
    sns_fields,
    sns_request,
    sns_signed,
)
from tidings.domain.identifiers import new_id
from tidings.domain.receipt import Receipt, ReceiptKind, SuppressionReason
from tidings.errors import ForgedCallback, MalformedCallback, SetupError
from tidings.providers.callbacks.protocol import CallbackRequest
from tidings.providers.callbacks.ses import EVENTS
from tidings.providers.ses import NOTIFICATION_TAG, SesSettings

ID = new_id()
DELIVERED, FAILED, NOTED = ReceiptKind.DELIVERED, ReceiptKind.FAILED, ReceiptKind.NOTED
HARD_BOUNCE, COMPLAINT = SuppressionReason.HARD_BOUNCE, SuppressionReason.COMPLAINT
NOTHING, SPAM = "no reason given", "the recipient marked the mail as spam"
AT = "2026-03-04T05:06:07.891Z"


async def read(
    request: CallbackRequest, calls: ServedSns | None = None, now: datetime | None = None
) -> list[Receipt]:
    return await ses_reader(calls).read(request, now or datetime.now(UTC))


def bounce(kind: object, more: object = None, **recipient: object) -> dict[str, Any]:
    return {
        "bounceType": kind,
        "bounceSubType": more,
        "timestamp": AT,
        "bouncedRecipients": [{"emailAddress": "ada@example.com", **recipient}],
    }


ROWS: list[tuple[str, dict[str, Any], ReceiptKind, str | None, str | None, SuppressionReason | None]] = [
    ("Delivery", {"delivery": {"timestamp": AT}}, DELIVERED, None, None, None),
    (
        "Bounce",
        {"bounce": bounce("Permanent", "General", diagnosticCode="550 5.1.1 Grüße\r\n", status="5.1.1")},
        FAILED,
        "ses_bounce_Permanent_General",
        "550 5.1.1 Grüße",
        HARD_BOUNCE,
    ),
    (
        "Bounce",
        {"bounce": bounce("Permanent", "OnAccountSuppressionList", status="5.1.1")},
        FAILED,
        "ses_bounce_Permanent_OnAccountSuppressionList",
        "5.1.1",
        HARD_BOUNCE,
    ),
    (
        "Bounce",
        {"bounce": bounce("Transient", "MailboxFull")},
        FAILED,
        "ses_bounce_Transient_MailboxFull",
        NOTHING,
        None,
    ),
    (
        "Bounce",
        {"bounce": bounce("Undetermined", "Undetermined")},
        FAILED,
        "ses_bounce_Undetermined_Undetermined",
        NOTHING,
        None,
    ),
    ("Bounce", {"bounce": {"bouncedRecipients": [1]}}, FAILED, "ses_bounce_Undetermined", NOTHING, None),
    ("Bounce", {}, FAILED, "ses_bounce_Undetermined", NOTHING, None),
    (
        "Complaint",
        {"complaint": {"complaintFeedbackType": "abuse", "timestamp": AT}},
        NOTED,
        "ses_complaint",
        "abuse",
        COMPLAINT,
    ),
    ("Complaint", {"complaint": {}}, NOTED, "ses_complaint", SPAM, COMPLAINT),
    ("Reject", {"reject": {"reason": "Bad content"}}, FAILED, "ses_reject", "Bad content", None),
    (
        "Rendering Failure",
        {"failure": {"errorMessage": "no name"}},
        FAILED,
        "ses_rendering_failure",
        "no name",
        None,
    ),
]


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("name", ["eventType", "notificationType"])
@pytest.mark.parametrize(("kind", "more", "means", "code", "words", "suppresses"), ROWS)
async def test_an_event(
    kind: str,
    more: dict[str, Any],
    means: ReceiptKind,
    code: str | None,
    words: str | None,
    suppresses: SuppressionReason | None,
    name: str,
    version: str,
) -> None:
    event = ses_event(ID, kind, **more)
    event[name] = event.pop("eventType")
    request = ses_callback(event, SignatureVersion=version)
    [receipt] = await read(request)
    assert (receipt.provider, receipt.notification_id, receipt.kind) == ("ses", ID, means)
    assert receipt.event_id == json.loads(request.body)["MessageId"]
    assert receipt.provider_reference == event["mail"]["messageId"]
    error = (receipt.error.code, receipt.error.message) if receipt.error else (None, None)
    assert (error, receipt.suppresses) == ((code, words), suppresses)
    own = [part.get("timestamp") for part in more.values()]
    published = json.loads(request.body)["Timestamp"]
    assert receipt.occurred_at == datetime.fromisoformat(AT if AT in own else published)


def test_every_event_is_tested_and_documented() -> None:
    assert {kind for kind, *_ in ROWS} == set(EVENTS)
    page = (Path(__file__).parents[2] / "docs/receipts.md").read_text()
    assert [kind for kind in EVENTS if f"`{kind}`" not in page] == []


@pytest.mark.parametrize(
    "event",
    [
        *(
            ses_event(ID, kind)
            for kind in ("Send", "Open", "Click", "DeliveryDelay", "Subscription", "New", "")
        ),
        ses_event(ID, "Complaint", complaint={"complaintFeedbackType": "not-spam"}),
        ses_event("x"),
        ses_event(ID) | {"mail": None},
        ses_event(ID) | {"mail": {}},
        ses_event(ID) | {"mail": {"tags": {NOTIFICATION_TAG: str(ID)}}},
        ses_event(ID) | {"mail": {"tags": {NOTIFICATION_TAG: [str(ID), str(ID)]}}},
        ses_event(ID) | {"mail": {"headers": [None, 1, {"name": 1, "value": 2}]}},
        ses_event(ID) | {"eventType": ["Delivery"]},
        {"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "You have subscribed …"},
        "Successfully validated SNS topic for Amazon SES event publishing.",
        {},
    ],
)
async def test_what_settles_nothing_or_names_no_notification(event: dict[str, Any] | str) -> None:
    assert await read(ses_callback(event)) == []


async def test_feedback_notifications_name_it_by_the_mails_header() -> None:
    headers = [
        {"name": "From", "value": "x"},
        {"name": "x-tidings-notification", "value": str(ID)},
    ]
    event = {"notificationType": "Delivery", "mail": {"messageId": "1", "headers": headers}}
    [receipt] = await read(ses_callback(event))
    assert receipt.notification_id == ID
    event["mail"] = {"headers": [*headers, headers[1]]}
    assert await read(ses_callback(event)) == []


@pytest.mark.parametrize("text", ["", "x", "[]", "{", "[" * 100_000, '{"a": 1, "a": 2}', "NaN"])
async def test_what_is_signed_but_cannot_be_read(text: str) -> None:
    with pytest.raises(MalformedCallback):
        await read(ses_callback(text))


async def test_a_subject_is_signed_with_the_rest() -> None:
    request = ses_callback(ses_event(ID), Subject="Grüße\u202e 📵")
    assert len(await read(request)) == 1
    fields = json.loads(request.body)
    for other in (
        fields | {"Subject": "Grüße"},
        {name: fields[name] for name in fields if name != "Subject"},
    ):
        with pytest.raises(ForgedCallback):
            await read(sns_request(other))


NAMES = sorted(sns_signed(sns_fields()))
UNSIGNED = {"UnsubscribeURL"}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNSIGNED])
@pytest.mark.parametrize("value", [None, "", "x", "\n", "ü", "\ud800", 1, [], {}, True])
async def test_a_field_that_is_missing_or_another(name: str, value: object) -> None:
    fields: dict[str, Any] = json.loads(ses_callback(ses_event(ID)).body)
    with pytest.raises(ForgedCallback):
        await read(sns_request(fields | {name: value}))
    del fields[name]
    with pytest.raises(ForgedCallback):
        await read(sns_request(fields))


@pytest.mark.parametrize("version", ["0", "3", "SHA256", "1 ", ""])
async def test_another_version_of_the_signature(version: str) -> None:
    with pytest.raises(ForgedCallback):
        await read(ses_callback(ses_event(ID), SignatureVersion=version))


async def test_a_signature_of_one_version_is_none_of_the_other() -> None:
    for signed, said in (("1", "2"), ("2", "1")):
        fields = json.loads(ses_callback(ses_event(ID), SignatureVersion=signed).body)
        with pytest.raises(ForgedCallback, match="wrong"):
            await read(sns_request(fields | {"SignatureVersion": said}))


@pytest.mark.parametrize(
    "body", [b"", b"x", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"Type": ["Notification"]}']
)
async def test_a_body_that_is_no_message(body: bytes) -> None:
    with pytest.raises(ForgedCallback):
        await read(replace(ses_callback(ses_event(ID)), body=body))


async def test_a_field_given_twice() -> None:
    request = ses_callback(ses_event(ID))
    twice = request.body[:-2] + b', "Message": "{}"}'
    with pytest.raises(ForgedCallback):
        await read(replace(request, body=twice))


async def test_another_topic_costs_no_call() -> None:
    calls = ServedSns()
    with pytest.raises(ForgedCallback, match="TIDINGS_SES_TOPICS"):
        await read(ses_callback(ses_event(ID), TopicArn=TOPIC + "2"), calls)
    with pytest.raises(ForgedCallback, match="TIDINGS_SES_TOPICS is not set"):
        await ses_reader(calls, topics="").read(ses_callback(ses_event(ID)), datetime.now(UTC))
    assert calls.called == []


@pytest.mark.parametrize(
    ("age", "taken"), [(0, True), (3_590, True), (3_900, True), (3_902, False), (-299, True), (-302, False)]
)
async def test_the_age_of_a_message(age: int, taken: bool) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    request = ses_callback(ses_event(ID), Timestamp=(now - timedelta(seconds=age)).isoformat())
    if taken:
        assert len(await read(request, now=now)) == 1
    else:
        with pytest.raises(ForgedCallback, match="ago"):
            await read(request, now=now)


@pytest.mark.parametrize("at", ["yesterday", "2026-03-04T05:06:07", "2026-03-04", "9999-99-99T00:00:00Z"])
async def test_a_time_that_is_none(at: str) -> None:
    with pytest.raises(ForgedCallback):
        await read(ses_callback(ses_event(ID), Timestamp=at))


def test_topics_that_are_none_are_named_at_the_start() -> None:
    for topics in ("x", "arn:aws:sqs:eu-west-1:123456789012:x", f"{TOPIC},x"):
        with pytest.raises(SetupError, match="TIDINGS_SES_TOPICS"):
            SesSettings.load(_env_file=None, ses_topics=topics)
    assert SesSettings(_env_file=None, ses_topics=f" {TOPIC} , {TOPIC}2,").ses_topics == {TOPIC, f"{TOPIC}2"}


GENUINE = ses_callback(ses_event(ID, "Bounce", bounce=bounce("Permanent", diagnosticCode="Grüße")))
NOW = datetime.now(UTC)
SIGNED = (
    "Message",
    "MessageId",
    "Signature",
    "SignatureVersion",
    "SigningCertURL",
    "Timestamp",
    "TopicArn",
    "Type",
)


@settings(deadline=None)
@given(st.integers(0, len(GENUINE.body) - 1), st.integers(1, 255))
async def test_no_other_byte_gives_other_receipts(at: int, difference: int) -> None:
    changed = bytearray(GENUINE.body)
    changed[at] ^= difference
    try:
        found = await read(replace(GENUINE, body=bytes(changed)), now=NOW)
    except ForgedCallback:
        return
    # White space between fields, another spelling of the same text, or a field that is not signed.
    before, after = json.loads(GENUINE.body), json.loads(changed)
    assert [after[name] for name in SIGNED] == [before[name] for name in SIGNED]
    assert found == await read(GENUINE, now=NOW)


@settings(deadline=None)
@given(st.data(), st.integers(1, 127))
async def test_no_other_character_of_a_field_gives_receipts(data: st.DataObject, difference: int) -> None:
    fields = json.loads(GENUINE.body)
    name = data.draw(st.sampled_from([name for name in SIGNED if name != "SigningCertURL"]))
    at = data.draw(st.integers(0, len(fields[name]) - 1))
    fields[name] = fields[name][:at] + chr(ord(fields[name][at]) ^ difference) + fields[name][at + 1 :]
    with pytest.raises(ForgedCallback):
        await read(sns_request(fields), now=NOW)
