"""What AWS's error codes say about a message, for every service alike; each provider adds its own.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html,
https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html; some services append `Exception` to the names.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tidings.errors import (
    PermanentFailure,
    ProviderMisconfigured,
    SendFailure,
    TransientFailure,
    UnknownOutcome,
)
from tidings.providers.api_answer import bare, failure, kind_of
from tidings.providers.http_outcome import TOO_SOON, retry_after

COMMON: dict[str, type[SendFailure]] = {
    # Our credentials, and what they may do.
    "AccessDenied": ProviderMisconfigured,
    "AccessDeniedException": ProviderMisconfigured,
    "ExpiredToken": ProviderMisconfigured,
    "ExpiredTokenException": ProviderMisconfigured,
    "IncompleteSignature": ProviderMisconfigured,
    "InvalidAccessKeyId": ProviderMisconfigured,
    "InvalidAction": ProviderMisconfigured,  # another service's address
    "InvalidClientTokenId": ProviderMisconfigured,
    "InvalidSignatureException": ProviderMisconfigured,
    "MissingAuthenticationToken": ProviderMisconfigured,
    "MissingAuthenticationTokenException": ProviderMisconfigured,
    "NotAuthorized": ProviderMisconfigured,
    "OptInRequired": ProviderMisconfigured,
    "RequestExpired": ProviderMisconfigured,  # our clock is wrong
    "SignatureDoesNotMatch": ProviderMisconfigured,
    "UnrecognizedClientException": ProviderMisconfigured,
    # The service.
    "InternalFailure": UnknownOutcome,  # "an unknown error": AWS warns of duplicates
    "RequestThrottledException": TransientFailure,
    "ServiceUnavailable": TransientFailure,
    "Throttling": TransientFailure,
    "ThrottlingException": TransientFailure,
    # The message.
    "ValidationError": PermanentFailure,
    "ValidationException": PermanentFailure,
}
"""What the codes that all services share mean for a message."""

STATUSES: dict[int, type[SendFailure]] = {
    500: UnknownOutcome,
    502: UnknownOutcome,
    504: UnknownOutcome,
}
"""What a status means with a code of no table: see `InternalFailure`. Others: `api_answer.kind_of`."""

THROTTLED = frozenset({"RequestThrottledException", "Throttled", "Throttling", "ThrottlingException"})
"""AWS's 429, often under another status."""

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,79}", re.ASCII)


def failure_for(
    response: Mapping[str, Any], name: str, errors: Mapping[str, type[SendFailure]]
) -> SendFailure:
    """The failure that an error answer stands for, as botocore has taken it apart (`ClientError.response`).

    `errors` are the codes of the provider `name`.
    """
    error = response.get("Error", {})
    metadata = response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    text = str(error.get("Message") or "")
    wait = retry_after(metadata.get("HTTPHeaders", {}).get("retry-after"))
    code = str(error.get("Code") or "")
    if _CODE.fullmatch(code) and code != "Unknown":
        kind = errors.get(code) or STATUSES.get(status) or kind_of(status)
        too_soon = status in TOO_SOON or code in THROTTLED
        return failure(kind, f"{name}_{code}", text or bare(status, ""), wait, of_message=too_soon)
    return failure_of_status(status, text, wait)


def failure_of_status(status: int, text: str, wait: timedelta | None = None) -> SendFailure:
    """The failure that an answer without a code of AWS's stands for."""
    kind = STATUSES.get(status) or kind_of(status)
    return failure(kind, f"http_{status}", bare(status, text), wait, of_message=status in TOO_SOON)
