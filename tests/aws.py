"""`ses` and `sns` for tests, with credentials of no account and nothing of the developer's; their codes."""

from pathlib import Path
from typing import Any

import pytest

from tests.provider_support import provider_settings
from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.protocol import Provider
from tidings.providers.ses import SesProvider, SesSettings
from tidings.providers.sns import SnsProvider, SnsSettings
from tidings.settings import ProviderSettings

CREDENTIALS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}
REGION = {"aws_region": "eu-west-1"}

Row = tuple[str, int, type[SendFailure]]

COMMON_ROWS: list[Row] = [
    ("AccessDenied", 403, ProviderMisconfigured),
    ("AccessDeniedException", 400, ProviderMisconfigured),
    ("ExpiredToken", 403, ProviderMisconfigured),
    ("ExpiredTokenException", 403, ProviderMisconfigured),
    ("IncompleteSignature", 400, ProviderMisconfigured),
    ("InvalidAccessKeyId", 403, ProviderMisconfigured),
    ("InvalidAction", 400, ProviderMisconfigured),
    ("InvalidClientTokenId", 403, ProviderMisconfigured),
    ("InvalidSignatureException", 403, ProviderMisconfigured),
    ("MissingAuthenticationToken", 403, ProviderMisconfigured),
    ("MissingAuthenticationTokenException", 403, ProviderMisconfigured),
    ("NotAuthorized", 400, ProviderMisconfigured),
    ("OptInRequired", 403, ProviderMisconfigured),
    ("RequestExpired", 400, ProviderMisconfigured),
    ("SignatureDoesNotMatch", 403, ProviderMisconfigured),
    ("UnrecognizedClientException", 403, ProviderMisconfigured),
    ("InternalFailure", 500, UnknownOutcome),
    ("RequestThrottledException", 400, TransientFailure),
    ("ServiceUnavailable", 503, TransientFailure),
    ("Throttling", 400, TransientFailure),
    ("ThrottlingException", 400, TransientFailure),
    ("ValidationError", 400, PermanentFailure),
    ("ValidationException", 400, PermanentFailure),
]
SES_ROWS: list[Row] = [
    ("AccountSuspendedException", 400, ProviderMisconfigured),
    ("SendingPausedException", 400, ProviderMisconfigured),
    ("MailFromDomainNotVerifiedException", 400, ProviderMisconfigured),
    ("MessageRejected", 400, ProviderMisconfigured),
    ("NotFoundException", 404, ProviderMisconfigured),
    ("TooManyRequestsException", 429, TransientFailure),
    ("LimitExceededException", 400, TransientFailure),
    ("BadRequestException", 400, PermanentFailure),
]
SNS_ROWS: list[Row] = [
    ("AuthorizationError", 403, ProviderMisconfigured),
    ("InvalidSecurity", 403, ProviderMisconfigured),
    ("NotFound", 404, ProviderMisconfigured),
    ("EndpointDisabled", 400, ProviderMisconfigured),
    ("PlatformApplicationDisabled", 400, ProviderMisconfigured),
    ("Throttled", 429, TransientFailure),
    ("ThrottledException", 400, TransientFailure),
    ("InternalError", 500, UnknownOutcome),
    ("InvalidParameter", 400, PermanentFailure),
    ("ParameterValueInvalid", 400, PermanentFailure),
    ("OptedOut", 400, PermanentFailure),
]


def ses(url: str | None, settings: ProviderSettings | None = None, **given: Any) -> Provider:
    defaults = {
        **CREDENTIALS,
        **REGION,
        "ses_url": url,
        "ses_from": "Tidings <notifications@example.com>",
    }
    return SesProvider(settings or provider_settings(), SesSettings(_env_file=None, **{**defaults, **given}))


def sns(url: str | None, settings: ProviderSettings | None = None, **given: Any) -> Provider:
    defaults = {**CREDENTIALS, **REGION, "sns_url": url}
    return SnsProvider(settings or provider_settings(), SnsSettings(_env_file=None, **{**defaults, **given}))


def without_aws(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """No variable, profile or machine's role gives credentials or a region."""
    for name in (
        "REGION",
        "DEFAULT_REGION",
        "PROFILE",
        "ACCESS_KEY_ID",
        "SECRET_ACCESS_KEY",
        "SESSION_TOKEN",
    ):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("CONTAINER_CREDENTIALS_RELATIVE_URI", "CONTAINER_CREDENTIALS_FULL_URI", "ENDPOINT_URL"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
