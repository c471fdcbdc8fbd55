"""What is typed or quoted may be shown: canaries in many notations are masked, and plain words stay."""

import pytest

from tidings.domain.masking import masked

ADDRESSES = (
    "canary.ada@example.com",
    "CANARY.ADA@EXAMPLE.COM",
    "canary.ada+tag@mail.example.co.uk",
    "<canary.ada@example.com>",
    "mailto:canary.ada@example.com?subject=x",
    "'canary.ada@example.com'",
    '"canary.ada lovelace"@example.com',
    "canary.ada@localhost",
    "canary.ada@[192.0.2.1]",
    "canary.ada @ example.com",
    "canary.ada @example.com",
    "canary.ada\n@mail.example.com",
    "canary.ada\uff20example.com",
    "canary.ada%40example.com",
    "canary.ada%2540example.com",
    "canary.ada&#64;example.com",
    "canary.ada&#x40;example.com",
    "canary.ada\\u0040example.com",
    "canary.ada(at)example.com",
    "canary.ada [at] example [dot] com",
    "canary.ada at example dot com",
    "canary.\u200bada@exam\u00adple.com",
    "o'canary.ada@example.com",
    "canary.ada=example.com@bounces.example.net",
    "canary.ada.日本@例え.jp",
    "recipient=canary.ada@example.com",
    '{"to":"canary.ada@example.com"}',
)
NUMBERS = (
    "+14155550123",
    "14155550123",
    "0014155550123",
    "+1 415 555 0123",
    "+1 (415) 555-0123",
    "(415) 555-0123",
    "415-555-0123",
    "415.555.0123",
    "415/5550123",
    "415_555_0123",
    "tel:+1-415-555-0123",
    "sms4155550123",
    "call-me-on-415-555-0123",
    "415\u00a0555\u00a00123",
    "415\u2011555\u20110123",
    "415\u200b555\u200b0123",
    "%2B14155550123",
    "".join(chr(0xFF10 + int(digit)) for digit in "4155550123"),
    "٤١٥٥٥٥٠١٢٣",
    "5550123",
    "2012-12-12 4155550123",
    "4111 1111 1111 1111",
)
SECRETS = (
    "cAnArY7sEcRe7t0k3n",
    "password=canary7",
    'password: "canary 7"',
    "the password is canary7",
    "api_key=canary7",
    "X-Api-Key: canary7",
    '"token":"canary7"',
    "?sig=canary7&x=1",
    "Authorization: Basic Y2FuYXJ5OmNhbmFyeQ==",
    "authorization=Bearer canary7",
    "bearer canary7",
    "td_live_canary0Aa1Bb2Cc3Dd4Ee5Ff6Gg7Hh8Ii9Jj0Kk1Ll2Mm3Nn4",
    "sk_live_canary51H8xKJ2eZvKYlo2C",
    "AKIACANARY7EXAMPLE12",
    "ghp_canary16C7e42F292c6912E7710c838347Ae178B4a",
    "xoxb-canary1-123-a1B2c3D4e5F6",
    "SG.canary9Xy_abc.def-ghi7Kl2mno3",
    "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOjF9.c2lnbmF0dXJlMTIz",
    "deadbeefcanary0123456789abcdef0123456789",
    "550e8400-e29b-41d4-a716-446655440000",
    "cAnaryXyZwQrStUvWaBcD",
    "canarywithoutanyspacebetweenthewords",
    "hooks.example.com/services/T00000000/B00000000/canaryX7Y2z9W4",
    "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----\ncanary",
)
URLS = (
    "https://canary:hunter2@example.com/",
    "https://canary.example.com/hook?x=1",
    "HTTPS://EXAMPLE.COM/CANARY",
    "https:\\/\\/example.com\\/canary",
    "https%3A%2F%2Fexample.com%2Fcanary",
    "postgresql://canary:canary@127.0.0.1:5432/tidings",
    "tgram://canary/canary",
    "www.example.com/canary",
)
PLAIN = (
    "",
    "sent twice by mistake, see the incident of this morning",
    "attempt 3 of 8 by twilio after smtp_451, backoff until 12:04:10 UTC",
    "at 2026-11-21 12:04:10 UTC, until 2026-11-21T12:04:10.123456Z or 2026-11-21T12:04:10+01:00",
    "duplicate of 01947a5c-1b2e-7d11-9a3f-0123456789ab",
    "notification-01947a5c-1b2e-7d11-9a3f-0123456789ab is stuck",
    "the worker on 10.200.133.144 and 192.168.100.200 cannot reach 127.0.0.1:5432",
    "DefaultFailureConverterWithEncodedAttributes: StorageUnavailable",
    "asked @ada and the on-call team of provider-operations",
    "twilio_30003, sms, 451 4.7.1, HTTP 429 twice in 10 min",
    "temporary-failure-in-name-resolution",
    "attempt_3_outcome_not_recorded",
    "(see the runbook, section 12)",
    "日本語の理由",
)


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_is_masked_however_it_is_written(text: str) -> None:
    assert_masked(text, "canary", "ada")


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_is_masked_however_it_is_written(text: str) -> None:
    shown = assert_masked(text)
    assert sum(character.isdigit() for character in shown.replace("2012-12-12", "")) < 3, shown


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_masked(text: str) -> None:
    assert_masked(text, "canary", "y2fu", "eyj", "hunter2", "550e")


@pytest.mark.parametrize("text", URLS)
def test_a_url_is_masked(text: str) -> None:
    assert_masked(text, "canary", "hunter2")


@pytest.mark.parametrize("text", PLAIN)
def test_plain_words_ids_and_times_stay(text: str) -> None:
    assert masked(text) == text


def test_what_stands_around_it_stays() -> None:
    said = "gave up: ada@example.com bounced, +1 415 555 0123 is dead; token=abc123, see https://x.example/y."
    assert masked(said) == "gave up: [email] bounced, [number] is dead; token=[secret], see [url]"


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "1",
        "1 ",
        "a.",
        "a@",
        "@",
        "-",
        "aA",
        "a1",
        "=",
        "a at ",
        "x:",
        "-----BEGIN A-----",
        '"',
        "(at)",
        "[",
        "is 1 ",
    ],
)
def test_a_long_text_is_masked_without_trying_every_way(piece: str) -> None:
    """A pattern that did so would take hours for these."""
    shown = masked(piece * (200_000 // len(piece)))
    assert masked(shown) == shown


def assert_masked(text: str, *canaries: str) -> str:
    shown = masked(f"they said: {text} and no more")
    assert shown.startswith("they said: "), shown
    assert not [canary for canary in canaries if canary in shown.casefold()], shown
    assert masked(shown) == shown
    return shown
