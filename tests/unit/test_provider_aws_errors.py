"""The error codes of SES and SNS, as botocore hands them on; neither it nor a server is needed."""

from datetime import timedelta
from typing import Any

import pytest

from tests.aws import COMMON_ROWS, SES_ROWS, SNS_ROWS
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
from tidings.providers import ses, sns
from tidings.providers.aws_outcome import failure_for
from tidings.providers.ses import SesProvider, SesSettings
from tidings.providers.sns import SnsProvider, SnsSettings


def response(code: Any, status: int, message: Any = "Said so.", **headers: str) -> dict[str, Any]:
    return {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }


@pytest.mark.parametrize(("code", "status", "kind"), COMMON_ROWS + SES_ROWS)
def test_a_row_of_ses(code: str, status: int, kind: type[SendFailure]) -> None:
    failure = failure_for(response(code, status), "ses", ses.ERRORS)
    assert (type(failure), failure.code, failure.message) == (kind, f"ses_{code}", "Said so.")


@pytest.mark.parametrize(("code", "status", "kind"), COMMON_ROWS + SNS_ROWS)
def test_a_row_of_sns(code: str, status: int, kind: type[SendFailure]) -> None:
    failure = failure_for(response(code, status), "sns", sns.ERRORS)
    assert (type(failure), failure.code, failure.message) == (kind, f"sns_{code}", "Said so.")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, ProviderMisconfigured),
        (400, PermanentFailure),
        (403, ProviderMisconfigured),
        (404, ProviderMisconfigured),
        (413, PermanentFailure),
        (429, TransientFailure),
        (500, UnknownOutcome),
        (502, UnknownOutcome),
        (503, TransientFailure),
        (504, UnknownOutcome),
    ],
)
def test_a_status_decides_where_the_tables_say_nothing(status: int, kind: type[SendFailure]) -> None:
    failure = failure_for(response("SomethingNewException", status), "ses", ses.ERRORS)
    assert (type(failure), failure.code) == (kind, "ses_SomethingNewException")
    for code in (str(status), "", None, "Unknown", "no code\r\n", "x" * 200):
        failure = failure_for(response(code, status, None), "ses", ses.ERRORS)
        assert (type(failure), failure.code) == (kind, f"http_{status}")
        assert failure.message.startswith(f"HTTP {status}")


def test_a_wait_that_is_asked_for() -> None:
    asked = response("TooManyRequestsException", 429, **{"retry-after": "7"})
    failure = failure_for(asked, "ses", ses.ERRORS)
    assert isinstance(failure, TransientFailure)
    assert failure.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"ses_from": "nobody"}, "TIDINGS_SES_FROM"),
        ({"ses_url": "ftp://ses"}, "TIDINGS_SES_URL"),
        ({"ses_configuration_set": "a b"}, "TIDINGS_SES_CONFIGURATION_SET"),
        ({"aws_region": "eu west"}, "TIDINGS_AWS_REGION"),
        ({"aws_access_key_id": "AKIA"}, "TIDINGS_AWS_SECRET_ACCESS_KEY"),
        ({"aws_secret_access_key": "secret"}, "TIDINGS_AWS_ACCESS_KEY_ID"),
    ],
)
def test_ses_settings_that_cannot_work_are_named_at_the_start(given: dict[str, str], named: str) -> None:
    with pytest.raises(SetupError, match=named):
        SesProvider(provider_settings(), SesSettings.load(_env_file=None, **given))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"sns_sender_id": "much too long"}, "TIDINGS_SNS_SENDER_ID"),
        ({"sns_origination_number": "Tidings"}, "TIDINGS_SNS_ORIGINATION_NUMBER"),
        ({"sns_sms_type": "transactional"}, "TIDINGS_SNS_SMS_TYPE"),
        ({"sns_url": "sns"}, "TIDINGS_SNS_URL"),
        ({"aws_access_key_id": "AKIA"}, "TIDINGS_AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_sns_settings_that_cannot_work_are_named_at_the_start(given: dict[str, str], named: str) -> None:
    with pytest.raises(SetupError, match=named):
        SnsProvider(provider_settings(), SnsSettings.load(_env_file=None, **given))


@pytest.mark.parametrize("recipient", ["ünï@example.com", "a@x.example,b@x.example", "Ada <a@x.example>", ""])
async def test_whom_ses_cannot_write_to_it_is_not_asked(recipient: str) -> None:
    provider = SesProvider(provider_settings(), SesSettings(_env_file=None))
    with pytest.raises(PermanentFailure) as raised:
        await provider.send(outgoing(Channel.EMAIL, recipient))
    assert raised.value.code == "recipient_invalid"


async def test_what_is_no_unicode_text_is_no_sms() -> None:
    provider = SnsProvider(provider_settings(), SnsSettings(_env_file=None))
    with pytest.raises(PermanentFailure) as raised:
        await provider.send(outgoing(Channel.SMS, "+14155550100", body="\ud800"))
    assert raised.value.code == "message_invalid"
