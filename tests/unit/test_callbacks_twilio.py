"""Twilio's status callbacks: what they mean, and that nothing but Twilio's own are taken."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.callbacks import PUBLIC_URL, TWILIO_TOKEN, twilio_callback, twilio_json_callback, twilio_reader
from tests.provider_support import provider_settings
from tidings.domain.identifiers import new_id
from tidings.domain.receipt import Receipt, ReceiptKind, SuppressionReason
from tidings.domain.vocabulary import KeyMode
from tidings.errors import ForgedCallback, MalformedCallback, SetupError
from tidings.providers.callbacks.addresses import callback_url
from tidings.providers.callbacks.protocol import CallbackRequest
from tidings.providers.callbacks.twilio import (
    REASONS,
    SIGNATURE_HEADER,
    STATUSES,
    SUPPRESSING,
    TwilioCallbacks,
    signature_of,
)
from tidings.providers.twilio import TwilioSettings
from tidings.settings import ProviderSettings

ID, NOW = UUID("01a1fdff-e888-74c1-a633-fb105cf908a7"), datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DELIVERED, FAILED = ReceiptKind.DELIVERED, ReceiptKind.FAILED
HARD_BOUNCE, OPT_OUT = SuppressionReason.HARD_BOUNCE, SuppressionReason.OPT_OUT
PATH = "/v1/callbacks/twilio?notification="


async def read(request: CallbackRequest) -> list[Receipt]:
    return await twilio_reader().read(request, NOW)


@pytest.mark.parametrize(
    ("status", "kind"),
    [("delivered", DELIVERED), ("read", DELIVERED), ("undelivered", FAILED), ("failed", FAILED)],
)
async def test_a_status_that_is_a_receipt(status: str, kind: ReceiptKind) -> None:
    [receipt] = await read(twilio_callback(ID, status))
    assert (receipt.provider, receipt.notification_id, receipt.kind) == ("twilio", ID, kind)
    assert receipt.provider_reference == "SM" + "b" * 32
    assert receipt.event_id == f"SM{'b' * 32}-{status}"
    assert receipt.occurred_at == NOW
    assert (receipt.error is None) == (kind is DELIVERED)
    assert receipt.suppresses is None


@pytest.mark.parametrize(
    "status", ["accepted", "scheduled", "queued", "sending", "sent", "canceled", "partially_delivered", "new"]
)
async def test_a_status_that_says_nothing_of_the_recipient(status: str) -> None:
    assert await read(twilio_callback(ID, status)) == []


CODES = [
    ("30003", "Unreachable destination handset", None),
    ("30004", "Message blocked", None),
    ("30005", "Unknown destination handset", HARD_BOUNCE),
    ("30006", "Landline or unreachable carrier", HARD_BOUNCE),
    ("30007", "Message filtered", None),
    ("30008", "Unknown error", None),
    ("30034", "Message from an unregistered number", None),
    ("21211", "Twilio says: failed", HARD_BOUNCE),
    ("21610", "Attempt to send to unsubscribed recipient", OPT_OUT),
    ("21614", "'To' number is not a valid mobile number", HARD_BOUNCE),
    ("12345", "Twilio says: failed", None),
]


@pytest.mark.parametrize(("code", "words", "suppresses"), CODES)
async def test_a_code(code: str, words: str, suppresses: SuppressionReason | None) -> None:
    [receipt] = await read(twilio_callback(ID, "failed", ErrorCode=code))
    assert receipt.error is not None
    assert (receipt.error.code, receipt.error.message) == (f"twilio_{code}", words)
    assert receipt.suppresses is suppresses
    # A delivered message rules nobody out.
    [receipt] = await read(twilio_callback(ID, "delivered", ErrorCode=code))
    assert (receipt.error, receipt.suppresses) == (None, None)


def test_every_code_that_suppresses_is_tested_and_documented() -> None:
    assert {int(code) for code, _, suppresses in CODES if suppresses} == set(SUPPRESSING)
    page = (Path(__file__).parents[2] / "docs/receipts.md").read_text()
    assert [code for code in (*SUPPRESSING, *STATUSES) if str(code) not in page] == []
    assert all(words.isprintable() for words in REASONS.values())


async def test_twilios_own_words_come_first_and_are_fit_to_show() -> None:
    request = twilio_callback(ID, "undelivered", ErrorCode="30003", ErrorMessage="Aus\n ist's\u202e 📵")
    [receipt] = await read(request)
    assert receipt.error is not None
    assert receipt.error.message == "Aus ist's 📵"


@pytest.mark.parametrize("code", ["", "0", "x", "\uff11\uff12", "-1", "1" * 50])
async def test_a_failure_without_a_code_of_twilios(code: str) -> None:
    [receipt] = await read(twilio_callback(ID, "failed", ErrorCode=code))
    assert receipt.error is not None
    assert (receipt.error.code, receipt.suppresses) == ("twilio_failed", None)


async def test_an_unreachable_carrier_of_a_short_code_suppresses_nobody() -> None:
    [receipt] = await read(twilio_callback(ID, "undelivered", ErrorCode="30006", From="12345"))
    assert (receipt.kind, receipt.suppresses) == (FAILED, None)


@pytest.mark.parametrize(
    ("told", "signed"),
    [
        ("https://notify.example.com", "https://notify.example.com:443"),
        ("https://notify.example.com:443", "https://notify.example.com"),
        ("http://notify.example.com:80", "http://notify.example.com"),
        ("http://notify.example.com", "http://notify.example.com:80"),
        ("https://notify.example.com:8443", "https://notify.example.com:8443"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
    ],
)
async def test_the_schemes_own_port_may_be_signed_or_not(told: str, signed: str) -> None:
    request = twilio_callback(ID, url=f"{told}{PATH}{ID}", signed_url=f"{signed}{PATH}{ID}")
    assert len(await read(request)) == 1


@pytest.mark.parametrize(
    "signed",
    [
        "http://notify.example.com",
        "https://notify.example.com:8443",
        "https://notify.example.com:80",
        "https://notify.example.org",
        "https://notify.example.com/",
    ],
)
async def test_a_signature_of_another_address(signed: str) -> None:
    with pytest.raises(ForgedCallback):
        await read(twilio_callback(ID, signed_url=f"{signed}{PATH}{ID}"))


async def test_a_callback_of_one_notification_is_none_of_another() -> None:
    request = twilio_callback(ID)
    with pytest.raises(ForgedCallback):
        await read(replace(request, url=f"{PUBLIC_URL}{PATH}{new_id()}"))


@pytest.mark.parametrize(
    "identifier", ["", "x", f"{{{ID}}}", str(ID).upper(), ID.hex, f"{ID}&notification=x"]
)
async def test_what_names_no_notification_is_left_out(identifier: str) -> None:
    assert await read(twilio_callback(identifier)) == []


async def test_twilios_published_examples() -> None:
    """https://www.twilio.com/docs/usage/security#test-the-validity-of-your-webhook-signature."""
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature_of(b"12345", url, list(form.items())) == b"RSOYDt4T1cUTdK1PDd93/VVr8B8="


@pytest.mark.parametrize("given", [None, "", "0", "ü", "a" * 10_000])
async def test_a_signature_that_is_missing_or_none(given: str | None) -> None:
    request = twilio_callback(ID)
    headers = dict(request.headers) | ({SIGNATURE_HEADER: given} if given is not None else {})
    if given is None:
        del headers[SIGNATURE_HEADER]
    with pytest.raises(ForgedCallback):
        await read(replace(request, headers=headers))


async def test_without_the_token_and_with_another() -> None:
    with pytest.raises(ForgedCallback, match="TIDINGS_TWILIO_AUTH_TOKEN"):
        await twilio_reader(None).read(twilio_callback(ID, token=""), NOW)
    with pytest.raises(ForgedCallback):
        await twilio_reader("another").read(twilio_callback(ID), NOW)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"%FF=1", b"a=1&" * 101, "MessageStatus=zugestellt-ü".encode(), b"{}"],
)
async def test_another_body_than_the_signed_one(body: bytes) -> None:
    with pytest.raises(ForgedCallback):
        await read(replace(twilio_callback(ID), body=body))


@pytest.mark.parametrize("url", ["", "http://[", "https://h:port/?notification=1", "\ud800"])
async def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ForgedCallback):
        await read(replace(twilio_callback(ID), url=url))


@pytest.mark.parametrize("name", ["MessageSid", "MessageStatus"])
async def test_what_is_signed_but_names_no_message(name: str) -> None:
    with pytest.raises(MalformedCallback):
        await read(twilio_callback(ID, **{name: ""}))


async def test_of_a_parameter_with_two_values_none_counts() -> None:
    """The signature sorts them: whoever has a request could choose which is the last."""
    url = f"{PUBLIC_URL}{PATH}{ID}"
    form = [("MessageSid", "SM1"), ("MessageStatus", "delivered"), ("MessageStatus", "failed")]
    token = b"12345678901234567890123456789012"
    headers = {SIGNATURE_HEADER: signature_of(token, url, form).decode()}
    for order in (form, form[::-1]):
        with pytest.raises(MalformedCallback):
            await read(CallbackRequest(url, headers, urlencode(order).encode()))


async def test_a_body_signed_by_its_hash() -> None:
    content = {"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": 30005, "ErrorMessage": None}
    request = twilio_json_callback(ID, json.dumps(content).encode())
    [receipt] = await read(request)
    assert receipt.error is not None
    assert (receipt.error.code, receipt.suppresses) == ("twilio_30005", HARD_BOUNCE)
    with pytest.raises(ForgedCallback, match="hash"):
        await read(replace(request, body=request.body.replace(b"failed", b"Failed")))
    with pytest.raises(ForgedCallback, match="hash"):
        await read(twilio_json_callback(ID, b"{}", digest="0" * 64))
    for body in (b"[]", b"{", b'{"MessageSid": "a", "MessageSid": "b"}', b"[" * 100_000, b"\xff"):
        with pytest.raises(MalformedCallback):
            await read(twilio_json_callback(ID, body))


GENUINE = twilio_callback(ID, "failed", ErrorCode="30005", ErrorMessage="Grüße & 📵")
SIGNATURE = GENUINE.headers[SIGNATURE_HEADER]


@settings(deadline=None)
@given(st.integers(0, len(GENUINE.body) - 1), st.integers(1, 255))
async def test_no_other_byte_in_the_body_gives_other_receipts(at: int, difference: int) -> None:
    changed = bytearray(GENUINE.body)
    changed[at] ^= difference
    try:
        found = await read(replace(GENUINE, body=bytes(changed)))
    except ForgedCallback:
        return
    # The same form in another spelling, such as %C3 as %c3.
    assert parse_qsl(changed.decode()) == parse_qsl(GENUINE.body.decode())
    assert found == await read(GENUINE)


@settings(deadline=None)
@given(st.integers(0, len(SIGNATURE) - 1), st.integers(1, 127))
async def test_no_other_byte_in_the_signature_gives_receipts(at: int, difference: int) -> None:
    changed = SIGNATURE[:at] + chr(ord(SIGNATURE[at]) ^ difference) + SIGNATURE[at + 1 :]
    with pytest.raises(ForgedCallback):
        await read(replace(GENUINE, headers={SIGNATURE_HEADER: changed}))


@settings(deadline=None)
@given(st.integers(0, len(GENUINE.url) - 1), st.integers(1, 127))
async def test_no_other_byte_in_the_address_gives_receipts(at: int, difference: int) -> None:
    changed = GENUINE.url[:at] + chr(ord(GENUINE.url[at]) ^ difference) + GENUINE.url[at + 1 :]
    with pytest.raises(ForgedCallback):
        await read(replace(GENUINE, url=changed))


def test_where_twilio_is_told_to_call() -> None:
    for public in (PUBLIC_URL, f"{PUBLIC_URL}/"):
        assert callback_url(provider_settings(public_url=public), "twilio", ID) == f"{PUBLIC_URL}{PATH}{ID}"
        assert callback_url(provider_settings(public_url=public), "ses") == f"{PUBLIC_URL}/v1/callbacks/ses"
    assert callback_url(provider_settings(), "twilio", ID) is None
    for url in (
        "notify.example.com",
        f"{PUBLIC_URL}/v1",
        f"{PUBLIC_URL}?x",
        f"{PUBLIC_URL}#x",
        f"{PUBLIC_URL} ",
    ):
        with pytest.raises(SetupError, match="TIDINGS_PUBLIC_URL"):
            ProviderSettings.load(_env_file=None, public_url=url)


async def test_what_the_sandbox_signs_is_about_test_notifications_unless_it_stands_in() -> None:
    notification = new_id()
    own = TwilioSettings(_env_file=None, twilio_auth_token=SecretStr(TWILIO_TOKEN))
    for stands_in, mode in ((False, KeyMode.TEST), (True, None)):
        shared = provider_settings(sandbox_secret=SecretStr("of the sandbox"), sandbox_stands_in=stands_in)
        reader = TwilioCallbacks(own, shared)
        request = twilio_callback(notification, token="of the sandbox")
        assert [receipt.mode for receipt in await reader.read(request, NOW)] == [mode]
        assert [receipt.mode for receipt in await reader.read(twilio_callback(notification), NOW)] == [None]
