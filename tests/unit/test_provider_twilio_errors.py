"""Twilio's error codes, in the form and with the status that its API gives them."""

import json
from datetime import timedelta

import pytest

from tests.provider_support import provider_settings
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    SetupError,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.http_call import HttpAnswer
from tidings.providers.twilio import TwilioProvider, TwilioSettings, failure_for

CODES: dict[type[SendFailure], dict[int, list[int]]] = {
    TransientFailure: {429: [20429, 21611], 503: [20503]},
    UnknownOutcome: {500: [20500]},
    PermanentFailure: {
        400: [
            *(21211, 21217, 21265, 21266, 21604, 21610, 21614, 21635),
            *(21602, 21605, 21617, 21618, 21619),
        ]
    },
    ProviderMisconfigured: {
        401: [20003],
        403: [10001, 20005, 20006, 20008],
        404: [20404],
        405: [20004],
        400: [
            *(21212, 21408, 21601, 21603, 21606, 21607, 21608, 21609, 21612, 21616, 21657, 21659, 21660),
            *(21661, 21662, 21663, 21701, 21702, 21703, 21704, 21705, 21709),
        ],
    },
}
ROWS = [
    (kind, status, code)
    for kind, by_status in CODES.items()
    for status, codes in by_status.items()
    for code in codes
]


def answer(status: int, code: object, **headers: str) -> HttpAnswer:
    content = {
        "code": code,
        "message": "The 'To' number +1\n415 is wrong.",
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return HttpAnswer(status, headers, json.dumps(content))


@pytest.mark.parametrize(("kind", "status", "code"), ROWS)
def test_a_code_of_twilio(kind: type[SendFailure], status: int, code: int) -> None:
    failure = failure_for(answer(status, code))
    assert (type(failure), failure.code) == (kind, f"twilio_{code}")
    assert failure.message == "The 'To' number +1 415 is wrong."


def test_who_has_opted_out_gets_nothing_more() -> None:
    found = {code: failure_for(answer(status, code)) for _, status, code in ROWS}
    suppressing = {code: getattr(failure, "suppresses", None) for code, failure in found.items()}
    assert {code: why for code, why in suppressing.items() if why} == {21610: "opt_out"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PermanentFailure),
        (401, ProviderMisconfigured),
        (403, ProviderMisconfigured),
        (404, ProviderMisconfigured),
        (302, ProviderMisconfigured),
        (408, TransientFailure),
        (413, PermanentFailure),
        (429, TransientFailure),
        (503, TransientFailure),
        # Twilio on 20500: a POST that got a 500 may have sent the message all the same.
        (500, UnknownOutcome),
        (502, UnknownOutcome),
        (504, UnknownOutcome),
        (200, UnknownOutcome),
    ],
)
def test_a_status_decides_where_no_known_code_does(status: int, kind: type[SendFailure]) -> None:
    unknown = failure_for(answer(status, 99999))
    assert (type(unknown), unknown.code) == (kind, "twilio_99999")
    for text in ("<h1>sorry</h1>", "", "[1]", '{"code": true}', '{"code": "x"}', "[" * 100_000):
        bare = failure_for(HttpAnswer(status, {}, text))
        assert (type(bare), bare.code) == (kind, f"http_{status}")
        assert bare.message.startswith(f"HTTP {status} ")


def test_the_wait_that_is_asked_for() -> None:
    failure = failure_for(answer(429, 20429, **{"Retry-After": "7"}))
    assert isinstance(failure, TransientFailure)
    assert failure.retry_after == timedelta(seconds=7)
    # A wait is no part of what is not passing.
    assert type(failure_for(answer(400, 21211, **{"Retry-After": "7"}))) is PermanentFailure


ACCOUNT, SERVICE, KEY = ("AC" + "a" * 32, "MG" + "b" * 32, "SK" + "c" * 32)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"twilio_auth_token": "t"}, "TIDINGS_TWILIO_ACCOUNT_SID"),
        ({"twilio_account_sid": ACCOUNT, "twilio_from": "+14155552345"}, "TIDINGS_TWILIO_AUTH_TOKEN"),
        ({"twilio_account_sid": ACCOUNT, "twilio_api_key": KEY}, "TIDINGS_TWILIO_API_SECRET"),
        ({"twilio_account_sid": ACCOUNT, "twilio_auth_token": "t"}, "TIDINGS_TWILIO_FROM"),
        ({"twilio_account_sid": "SM" + "a" * 32}, "TIDINGS_TWILIO_ACCOUNT_SID"),
        ({"twilio_messaging_service_sid": ACCOUNT}, "TIDINGS_TWILIO_MESSAGING_SERVICE_SID"),
        ({"twilio_url": "api.twilio.com"}, "TIDINGS_TWILIO_URL"),
    ],
)
def test_settings_that_cannot_work_are_named_at_the_start(given: dict[str, str], missing: str) -> None:
    with pytest.raises(SetupError, match=missing):
        TwilioProvider(provider_settings(), TwilioSettings.load(_env_file=None, **given))


def test_secrets_are_not_shown() -> None:
    own = TwilioSettings(
        _env_file=None, twilio_account_sid=ACCOUNT, twilio_auth_token="hush", twilio_api_secret="hush"
    )
    assert "hush" not in repr(own)
