"""Web Push subscriptions as recipients."""

import json
from typing import Any

import pytest

from tidings.domain.recipient import checked_recipient
from tidings.domain.vocabulary import Channel
from tidings.domain.web_push import WebPushSubscription, decoded, encoded

ENDPOINT = "https://push.example/send/abc?d=e"
POINT = b"\x04" + bytes(range(64))
KEYS = {"p256dh": encoded(POINT), "auth": encoded(b"a" * 16)}


def text(**given: Any) -> str:
    return json.dumps({"endpoint": ENDPOINT, "expirationTime": None, "keys": KEYS} | given, indent=1)


def test_what_a_browser_gives_is_kept_in_its_normal_form() -> None:
    normal = json.dumps({"endpoint": ENDPOINT, "keys": KEYS}, separators=(",", ":"))
    assert checked_recipient(Channel.PUSH, text()) == normal
    assert checked_recipient(Channel.PUSH, normal) == normal
    assert WebPushSubscription.parse(normal) == WebPushSubscription(ENDPOINT, POINT, b"a" * 16)


def test_base64_of_either_alphabet_is_read_padded_or_not() -> None:
    assert decoded("-_8") == decoded("+/8=") == b"\xfb\xff"
    with pytest.raises(ValueError, match="base64url"):
        decoded("a b!")


@pytest.mark.parametrize(
    "given",
    [
        "{",
        "{}",
        '{"endpoint": 7, "keys": {}}',
        '{"a":' * 900,
        text(keys=None),
        text(keys=KEYS | {"p256dh": encoded(POINT[:-1])}),
        text(keys=KEYS | {"p256dh": encoded(b"\x02" + POINT[1:])}),
        text(keys=KEYS | {"p256dh": 7}),
        text(keys=KEYS | {"auth": encoded(b"a" * 15)}),
        text(keys=KEYS | {"auth": "ä"}),
        text(keys={"p256dh": KEYS["p256dh"]}),
        text(endpoint="ftp://push.example/"),
        text(endpoint="https://user:secret@push.example/"),
        text(endpoint="https://push.example:25/"),
        text(endpoint="https://0x7f.1/"),
        text(endpoint="https://push.example/" + "a" * 2_048),
        text(padding="a" * 4_096),
    ],
)
def test_what_is_no_subscription_is_refused_without_repeating_it(given: str) -> None:
    with pytest.raises(ValueError, match="is not a Web Push subscription") as raised:
        checked_recipient(Channel.PUSH, given)
    assert KEYS["auth"] not in str(raised.value)
    assert "secret" not in str(raised.value)
