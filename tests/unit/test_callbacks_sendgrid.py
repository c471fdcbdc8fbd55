"""SendGrid's signed Event Webhook: what events mean, and that nothing but SendGrid's own are taken."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.callbacks import (
    public_text,
    sendgrid_callback,
    sendgrid_event,
    sendgrid_key,
    sendgrid_reader,
    sendgrid_signed,
)
from tidings.domain.identifiers import new_id
from tidings.domain.receipt import Receipt, ReceiptKind, SuppressionReason
from tidings.errors import ForgedCallback, MalformedCallback, SetupError
from tidings.providers.callbacks.protocol import CallbackRequest
from tidings.providers.callbacks.sendgrid import (
    DROPPED,
    EVENTS,
    MOST_EVENTS,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
)
from tidings.providers.sendgrid import NOTIFICATION_ARGUMENT

ID, NOW = new_id(), datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
AT = NOW - timedelta(seconds=7)
DELIVERED, FAILED, NOTED = ReceiptKind.DELIVERED, ReceiptKind.FAILED, ReceiptKind.NOTED
HARD_BOUNCE, COMPLAINT, OPT_OUT = (
    SuppressionReason.HARD_BOUNCE,
    SuppressionReason.COMPLAINT,
    SuppressionReason.OPT_OUT,
)


def event(kind: str = "delivered", **given: Any) -> dict[str, Any]:
    return sendgrid_event(ID, kind, **{"timestamp": int(AT.timestamp()), **given})


async def read(request: CallbackRequest, now: datetime = NOW, **given: Any) -> list[Receipt]:
    return await sendgrid_reader(**given).read(request, now)


async def read_events(*events: Any) -> list[Receipt]:
    return await read(sendgrid_callback(*events, now=NOW))


ROWS: list[tuple[str, dict[str, Any], ReceiptKind, str | None, SuppressionReason | None]] = [
    ("delivered", {"response": "250 OK"}, DELIVERED, None, None),
    ("bounce", {"type": "bounce", "status": "5.1.1"}, FAILED, "sendgrid_bounce_5.1.1", HARD_BOUNCE),
    ("bounce", {"type": "bounce"}, FAILED, "sendgrid_bounce", HARD_BOUNCE),
    ("bounce", {"type": "blocked", "status": "4.0.0"}, FAILED, "sendgrid_blocked_4.0.0", None),
    ("bounce", {"type": "blocked"}, FAILED, "sendgrid_blocked", None),
    ("bounce", {}, FAILED, "sendgrid_blocked", None),
    ("bounce", {"type": ["bounce"], "status": 5}, FAILED, "sendgrid_blocked", None),
    ("dropped", {"reason": "Bounced Address"}, FAILED, "sendgrid_dropped", HARD_BOUNCE),
    ("dropped", {"reason": "Invalid"}, FAILED, "sendgrid_dropped", HARD_BOUNCE),
    ("dropped", {"reason": "Spam Reporting Address"}, FAILED, "sendgrid_dropped", COMPLAINT),
    ("dropped", {"reason": "Unsubscribed Address"}, FAILED, "sendgrid_dropped", OPT_OUT),
    ("dropped", {"reason": "Spam Content"}, FAILED, "sendgrid_dropped", None),
    ("dropped", {"reason": "Recipient List over Package Quota"}, FAILED, "sendgrid_dropped", None),
    ("dropped", {}, FAILED, "sendgrid_dropped", None),
    ("spamreport", {}, NOTED, "sendgrid_spamreport", COMPLAINT),
    ("unsubscribe", {}, NOTED, "sendgrid_unsubscribe", OPT_OUT),
    ("group_unsubscribe", {"asm_group_id": 1}, NOTED, "sendgrid_group_unsubscribe", OPT_OUT),
]


@pytest.mark.parametrize(("kind", "more", "means", "code", "suppresses"), ROWS)
async def test_an_event(
    kind: str,
    more: dict[str, Any],
    means: ReceiptKind,
    code: str | None,
    suppresses: SuppressionReason | None,
) -> None:
    given = event(kind, **more)
    [receipt] = await read_events(given)
    assert (receipt.provider, receipt.notification_id, receipt.kind) == ("sendgrid", ID, means)
    assert (receipt.error.code if receipt.error else None) == code
    assert receipt.suppresses is suppresses
    assert receipt.event_id == given["sg_event_id"]
    assert receipt.provider_reference == "14c5d75ce93"
    assert receipt.occurred_at == AT


def test_every_event_is_tested_and_documented() -> None:
    assert {kind for kind, *_ in ROWS} == set(EVENTS)
    page = (Path(__file__).parents[2] / "docs/receipts.md").read_text()
    assert [kind for kind in EVENTS if f"`{kind}`" not in page] == []
    assert [said for said in DROPPED if said not in page.lower()] == []


@pytest.mark.parametrize(
    "kind",
    ["processed", "deferred", "open", "click", "group_resubscribe", "account_status_change", "new", ""],
)
async def test_an_event_that_settles_nothing(kind: str) -> None:
    assert await read_events(event(kind)) == []


@pytest.mark.parametrize(
    "bad",
    [
        None,
        1,
        "delivered",
        [],
        {},
        event() | {"event": None},
        event() | {"event": ["delivered"]},
        event(sg_event_id=None),
        event(sg_event_id=""),
        event(sg_event_id="ü"),
        event(sg_event_id="a b"),
        event(sg_event_id="x" * 201),
        event(sg_event_id=7),
        event(timestamp=None),
        event(timestamp="1700000000"),
        event(timestamp=True),
        event(timestamp=-1),
        event(timestamp=10**20),
        event() | {NOTIFICATION_ARGUMENT: None},
        event() | {NOTIFICATION_ARGUMENT: "x"},
        event() | {NOTIFICATION_ARGUMENT: [str(ID)]},
    ],
)
async def test_an_event_that_cannot_be_read_harms_no_other(bad: Any) -> None:
    first, last = event("bounce", type="bounce"), event()
    receipts = await read_events(first, bad, last)
    assert [found.event_id for found in receipts] == [first["sg_event_id"], last["sg_event_id"]]


async def test_an_event_that_says_two_things_at_once_is_left_out() -> None:
    twice = json.dumps(event()).removesuffix("}") + ', "event": "bounce", "type": "bounce"}'
    body = f"[{twice}, {json.dumps(event())}]".encode()
    [receipt] = await read(sendgrid_signed(body, now=NOW))
    assert receipt.kind is DELIVERED


async def test_words_are_made_fit_to_show() -> None:
    said = "550 Grüße\r\n\ud800 \u202e📭 " + "x" * 10_000
    [receipt] = await read_events(event("bounce", type="bounce", reason=said))
    assert receipt.error is not None
    assert receipt.error.message.startswith("550 Grüße 📭 xxx")
    assert len(receipt.error.message) == 500


async def test_what_is_to_come_has_not_occurred() -> None:
    [receipt] = await read_events(event(timestamp=int(NOW.timestamp()) + 3_600))
    assert receipt.occurred_at == NOW


async def test_without_a_message_id_there_is_no_reference() -> None:
    [receipt] = await read_events(event(sg_message_id=None))
    assert receipt.provider_reference is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[",
        b"[" * 100_000,
        b"\xff",
        b"[NaN]",
        b'{"event": "delivered"}',
        b"[1" + b"0" * 5_000,
    ],
)
async def test_what_is_signed_but_cannot_be_read(body: bytes) -> None:
    with pytest.raises(MalformedCallback):
        await read(sendgrid_signed(body, now=NOW))


async def test_a_list_as_long_as_no_list_of_sendgrids() -> None:
    assert await read(sendgrid_signed(json.dumps([0] * MOST_EVENTS).encode(), now=NOW)) == []
    with pytest.raises(MalformedCallback):
        await read(sendgrid_signed(json.dumps([0] * (MOST_EVENTS + 1)).encode(), now=NOW))


@pytest.mark.parametrize("header", [SIGNATURE_HEADER, TIMESTAMP_HEADER])
@pytest.mark.parametrize("value", [None, "", "0", "x", "ü", "\uff11\uff12", "-1", "1e9", "9" * 5_000])
async def test_a_header_that_is_missing_or_another(header: str, value: str | None) -> None:
    request = sendgrid_callback(event(), now=NOW)
    headers = {name: of for name, of in request.headers.items() if name != header}
    if value is not None:
        headers[header] = value
    with pytest.raises(ForgedCallback):
        await read(replace(request, headers=headers))


async def test_a_signature_spelt_in_another_way() -> None:
    request = sendgrid_callback(event(), now=NOW)
    good = request.headers[SIGNATURE_HEADER]
    for other in (f" {good}", f"{good}\n", good.rstrip("=") + "===", good + "AAAA"):
        with pytest.raises(ForgedCallback):
            await read(replace(request, headers={**request.headers, SIGNATURE_HEADER: other}))


@pytest.mark.parametrize(
    ("age", "taken"),
    [(0, True), (86_700, True), (86_701, False), (-300, True), (-301, False), (10**7, False)],
)
async def test_the_age_of_a_signature(age: int, taken: bool) -> None:
    request = sendgrid_callback(event(), now=NOW)
    if taken:
        assert len(await read(request, NOW + timedelta(seconds=age))) == 1
    else:
        with pytest.raises(ForgedCallback, match="ago"):
            await read(request, NOW + timedelta(seconds=age))


async def test_a_shorter_age_is_a_setting() -> None:
    request = sendgrid_callback(event(), now=NOW)
    assert len(await read(request, NOW + timedelta(seconds=60), sendgrid_webhook_age=60)) == 1
    with pytest.raises(ForgedCallback):
        await read(request, NOW + timedelta(seconds=61), sendgrid_webhook_age=60)


async def test_the_key_of_another() -> None:
    with pytest.raises(ForgedCallback):
        await read(sendgrid_callback(event(), now=NOW, key=sendgrid_key(2)[0]))


async def test_without_a_key() -> None:
    with pytest.raises(ForgedCallback, match="TIDINGS_SENDGRID_WEBHOOK_KEY"):
        await read(sendgrid_callback(event(), now=NOW), sendgrid_webhook_key=None)


def test_a_key_that_is_none_is_named_at_the_start() -> None:
    others = [
        public_text(ec.generate_private_key(ec.SECP384R1())),
        public_text(ed25519.Ed25519PrivateKey.generate()),
        public_text(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    ]
    for text in (*others, "x", "ü", sendgrid_key()[1][:-8], base64.b64encode(b"no key").decode()):
        with pytest.raises(SetupError, match="TIDINGS_SENDGRID_WEBHOOK_KEY"):
            sendgrid_reader(sendgrid_webhook_key=text)


async def test_the_example_of_sendgrids_own_libraries() -> None:
    """https://github.com/sendgrid/sendgrid-nodejs: packages/eventwebhook/src/eventwebhook.spec.js."""
    key = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3G"
        "Rqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
    )
    headers = {
        SIGNATURE_HEADER: "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqH"
        "h89M15TluLtEZtM=",
        TIMESTAMP_HEADER: "1600112502",
    }
    dropped = {
        "email": "hello@world.com",
        "event": "dropped",
        "reason": "Bounced Address",
        "sg_event_id": "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
        "sg_message_id": "LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
        "smtp-id": "<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>",
        "timestamp": 1600112492,
    }
    body = json.dumps([dropped], separators=(",", ":")).encode() + b"\r\n"
    at = datetime.fromtimestamp(1600112502, UTC)
    # None of ours, but SendGrid's.
    assert await read(CallbackRequest("", headers, body), at, sendgrid_webhook_key=key) == []
    with pytest.raises(ForgedCallback):
        await read(CallbackRequest("", headers, body.strip()), at, sendgrid_webhook_key=key)


GENUINE = sendgrid_callback(event("bounce", type="bounce", reason="Grüße"), now=NOW)


@settings(deadline=None)
@given(st.data(), st.integers(1, 255))
async def test_no_other_byte_gives_receipts(data: st.DataObject, difference: int) -> None:
    changed = bytearray(GENUINE.body)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= difference
    with pytest.raises(ForgedCallback):
        await read(replace(GENUINE, body=bytes(changed)))
    for header in (SIGNATURE_HEADER, TIMESTAMP_HEADER):
        text = GENUINE.headers[header]
        at = data.draw(st.integers(0, len(text) - 1))
        text = text[:at] + chr(ord(text[at]) ^ difference) + text[at + 1 :]
        with pytest.raises(ForgedCallback):
            await read(replace(GENUINE, headers={**GENUINE.headers, header: text}))
