"""Web Push: encryption by RFC 8291's own example, tokens, requests and statuses, without a server."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.provider_support import outgoing, provider_settings
from tests.push_keys import elliptic_key, rsa_key
from tidings.domain.vocabulary import Channel, Priority
from tidings.domain.web_push import WebPushSubscription, decoded, encoded
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    SetupError,
    TransientFailure,
)
from tidings.providers.http_call import HttpAnswer
from tidings.providers.web_push_encryption import LARGEST_CONTENT, Randomness, encrypted
from tidings.providers.webpush import WebpushProvider, WebpushSettings, content, failure_in, headers

# RFC 8291, appendix A.
PLAINTEXT = "V2hlbiBJIGdyb3cgdXAsIEkgd2FudCB0byBiZSBhIHdhdGVybWVsb24"
AS_PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
UA_PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
SALT, AUTH = "DGv6ra1nlYgDCS1FRnbzlw", "BTBZMqHH6r4Tts7J_aSIgg"
SEALED = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz"
    "AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)
TO = WebPushSubscription("https://push.example/a", decoded(UA_PUBLIC), decoded(AUTH))
SETTINGS = {"webpush_subject": "mailto:ops@example.com"}


def answer(status: int, text: str = "", **given: str) -> HttpAnswer:
    return HttpAnswer(status, {name.replace("_", "-"): value for name, value in given.items()}, text)


def webpush(**given: Any) -> WebpushProvider:
    own = {"webpush_private_key": elliptic_key()[0], **SETTINGS, **given}
    return WebpushProvider(provider_settings(), WebpushSettings(_env_file=None, **own))


def test_encryption_is_that_of_the_rfc() -> None:
    pytest.importorskip("cryptography", reason="needs cryptography: the extra 'webpush' is not installed")
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.derive_private_key(int.from_bytes(decoded(AS_PRIVATE), "big"), ec.SECP256R1())
    sealed = encrypted(decoded(PLAINTEXT), TO, Randomness(decoded(SALT), key))
    assert encoded(sealed) == SEALED
    assert len(encrypted(b"x" * LARGEST_CONTENT, TO)) == 4096
    assert encrypted(b"x", TO) != encrypted(b"x", TO)


ROWS: list[tuple[int, type[SendFailure], str]] = [
    (400, PermanentFailure, "webpush_400"),
    (401, ProviderMisconfigured, "webpush_401"),
    (403, ProviderMisconfigured, "webpush_403"),
    (404, PermanentFailure, "webpush_gone"),
    (406, TransientFailure, "webpush_406"),
    (410, PermanentFailure, "webpush_gone"),
    (413, PermanentFailure, "webpush_413"),
    (429, TransientFailure, "webpush_429"),
    (500, TransientFailure, "webpush_500"),
    (502, TransientFailure, "webpush_502"),
    (503, TransientFailure, "webpush_503"),
    (504, TransientFailure, "webpush_504"),
]
MORE: list[tuple[int, type[SendFailure], str]] = [
    (301, PermanentFailure, "webpush_301"),
    (307, PermanentFailure, "webpush_307"),
    (407, ProviderMisconfigured, "webpush_407"),
    (408, TransientFailure, "webpush_408"),
    (418, PermanentFailure, "webpush_418"),
    (599, TransientFailure, "webpush_599"),
]


@pytest.mark.parametrize(("status", "kind", "code"), ROWS + MORE)
def test_the_status_decides(status: int, kind: type[SendFailure], code: str) -> None:
    found = failure_in(answer(status, "said so", Retry_After="7"))
    assert found is not None
    assert (type(found), found.code) == (kind, code)
    assert found.message.endswith("said so")
    assert getattr(found, "retry_after", None) == (timedelta(seconds=7) if kind is TransientFailure else None)
    assert getattr(found, "suppresses", None) == ("gone" if status in (404, 410) else None)
    assert getattr(found, "of_message", False) == (status in (406, 429)), (
        "our rate is no fault of the service"
    )


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success_of_every_kind_is_acceptance(status: int) -> None:
    assert failure_in(answer(status)) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"reason": "VapidPkHashMismatch"}', ProviderMisconfigured),
        ('{"reason": "BadJwtToken"}', ProviderMisconfigured),
        ('{"reason": "BadWebPushTopic"}', PermanentFailure),
        ('{"reason": ["BadJwtToken"]}', PermanentFailure),
        ("[" * 100_000, PermanentFailure),
    ],
)
def test_apple_s_reasons_tell_our_set_up_from_the_message(text: str, kind: type[SendFailure]) -> None:
    assert type(failure_in(answer(400, text))) is kind


def test_a_notification_becomes_what_the_page_shows() -> None:
    metadata = {"order": 7, "collapse_key": "order-7"}
    message = outgoing(Channel.PUSH, TO.text, subject="Größe", body="📦", metadata=metadata)
    assert json.loads(content(message)) == {
        "title": "Größe",
        "body": "📦",
        "data": {"order": 7, "tidings_id": message.key},
        "tag": "order-7",
    }
    assert json.loads(content(outgoing(Channel.PUSH, TO.text, subject=None)))["body"] == "It works."


def test_equal_keys_are_one_topic_and_without_one_it_is_the_message_itself() -> None:
    def topic(**given: Any) -> str:
        return headers(outgoing(Channel.PUSH, TO.text, **given))["Topic"]

    assert topic(metadata={"collapse_key": "ключ"}) == topic(metadata={"collapse_key": "ключ"})
    assert topic(metadata={"collapse_key": "a"}) != topic(metadata={"collapse_key": "b"})
    assert topic() != topic()
    # RFC 8030, 5.4.
    assert len(topic()) == 32
    assert base64.urlsafe_b64decode(topic())


@pytest.mark.parametrize(
    ("priority", "urgency"),
    [("critical", "high"), ("high", "high"), ("normal", "normal"), ("low", "low"), ("bulk", "very-low")],
)
def test_the_priority_is_the_urgency(priority: str, urgency: str) -> None:
    assert headers(outgoing(Channel.PUSH, TO.text, priority=Priority(priority)))["Urgency"] == urgency


def test_a_message_that_expires_is_not_kept_longer() -> None:
    def ttl(expires_at: datetime | None) -> int:
        return int(headers(outgoing(Channel.PUSH, TO.text, expires_at=expires_at))["TTL"])

    now = datetime.now(UTC)
    assert 3500 < ttl(now + timedelta(hours=1)) <= 3600
    assert ttl(now - timedelta(hours=1)) == 0
    assert ttl(None) == ttl(now + timedelta(days=300)) == 28 * 86_400


async def test_tokens_are_for_one_service_each_and_are_used_again() -> None:
    jwt = pytest.importorskip("jwt", reason="needs PyJWT: the extra 'webpush' is not installed")
    from pydantic import SecretStr

    from tidings.providers.vapid import Vapid

    now = datetime.now(UTC).timestamp()
    clock = [now]
    vapid = Vapid(SecretStr(elliptic_key()[0]), "mailto:a@b.example", "X", lambda: clock[0])
    first = vapid.authorization("https://push.example/a")
    clock[0] += 6 * 3600 - 1
    assert vapid.authorization("https://PUSH.example/b?c") == first
    assert vapid.authorization("https://push.example:8443/a") != first
    clock[0] += 1
    assert vapid.authorization("https://push.example/a") != first
    clock[0] = now - 10
    assert vapid.authorization("https://push.example/a") != first, "the clock was put back"
    token, key = first.removeprefix("vapid t=").split(", k=")
    claims = jwt.decode(token, elliptic_key()[1], algorithms=["ES256"], audience="https://push.example")
    assert claims == {"aud": "https://push.example", "exp": int(now) + 12 * 3600, "sub": "mailto:a@b.example"}
    assert (len(decoded(key)), decoded(key)[0]) == (65, 4)


def test_a_key_is_taken_as_the_tools_write_it() -> None:
    # RFC 8292 uses the curve's form of RFC 8291's example.
    provider = webpush(webpush_private_key=AS_PRIVATE)
    assert provider.missing is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"webpush_subject": None}, "TIDINGS_WEBPUSH_SUBJECT"),
        ({"webpush_private_key": "A" * 43}, "not a private key"),
        ({"webpush_private_key": "_" * 43}, "not a private key"),
        ({"webpush_private_key": "-----BEGIN PRIVATE KEY-----\nsecretword"}, "not a private key"),
        ({"webpush_private_key": "/no/such/secretword"}, "neither a key nor"),
    ],
)
def test_settings_that_cannot_work_stop_the_start(given: dict[str, Any], says: str) -> None:
    with pytest.raises(SetupError, match=says) as raised:
        webpush(**given)
    assert "secretword" not in str(raised.value)


def test_a_key_of_another_kind_stops_the_start() -> None:
    with pytest.raises(SetupError, match="not a private key of the curve P-256"):
        webpush(webpush_private_key=rsa_key()[0])


async def test_without_a_key_it_is_our_set_up() -> None:
    provider = WebpushProvider(provider_settings(), WebpushSettings(_env_file=None, webpush_private_key=None))
    assert provider.missing == "TIDINGS_WEBPUSH_PRIVATE_KEY"
    with pytest.raises(ProviderMisconfigured) as raised:
        await provider.send(outgoing(Channel.PUSH, TO.text))
    assert raised.value.code == "webpush_not_configured"


@pytest.mark.parametrize(
    ("recipient", "given", "code"),
    [
        ("a-device-token", {}, "webpush_recipient_invalid"),
        (
            WebPushSubscription("https://push.example/a", b"\x04" + b"a" * 64, b"a" * 16).text,
            {},
            "webpush_recipient_invalid",
        ),
        (TO.text, {"body": "x" * 4000}, "webpush_too_large"),
        (
            WebPushSubscription("http://127.0.0.1:1234/a", TO.p256dh, TO.auth).text,
            {},
            "target_refused",
        ),
    ],
)
async def test_what_cannot_be_sent_is_refused_before_anybody_is_called(
    recipient: str, given: dict[str, Any], code: str
) -> None:
    provider = webpush()
    with pytest.raises(PermanentFailure) as raised:
        await provider.send(outgoing(Channel.PUSH, recipient, **given))
    await provider.aclose()
    assert raised.value.code == code
    assert TO.text not in raised.value.message
