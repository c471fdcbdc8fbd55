"""Google access tokens for a service account: a signed assertion exchanged at the token endpoint.

As described at https://developers.google.com/identity/protocols/oauth2/service-account (RFC 7523).
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlencode

import aiohttp
from pydantic import BaseModel, ValidationError

from tidings.errors import ProviderMisconfigured, SendFailure, SetupError, TransientFailure, UnknownOutcome
from tidings.providers.http_call import HttpAnswer, post
from tidings.providers.http_outcome import PASSING, retry_after
from tidings.providers.jwt_signer import JwtSigner
from tidings.providers.token_cache import Token
from tidings.providers.wording import shown

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

_ASSERTION_SECONDS = 3600
"""The longest Google takes."""
_SPARE_SECONDS = 300
"""A token is not used in its last minutes: a request with it may be under way for a while."""
_ANSWER_BYTES = 16_384

TOKEN_ERRORS: dict[str, type[SendFailure]] = {
    "invalid_grant": ProviderMisconfigured,
    "invalid_client": ProviderMisconfigured,
    "invalid_request": ProviderMisconfigured,
    "invalid_scope": ProviderMisconfigured,
    "unauthorized_client": ProviderMisconfigured,
    "unsupported_grant_type": ProviderMisconfigured,
    "access_denied": ProviderMisconfigured,
    "admin_policy_enforced": ProviderMisconfigured,
    "deleted_client": ProviderMisconfigured,
    "disabled_client": ProviderMisconfigured,
    "org_internal": ProviderMisconfigured,
    "internal_failure": TransientFailure,
    "server_error": TransientFailure,
    "temporarily_unavailable": TransientFailure,
    "rate_limit_exceeded": TransientFailure,
}
"""What the token endpoint's `error` means (RFC 6749, 5.2, and the page above)."""


class ServiceAccount(BaseModel):
    """The key file that Google gives for a service account, as far as it is needed."""

    type: Literal["service_account"]
    project_id: str
    client_email: str
    private_key: str
    private_key_id: str | None = None
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105

    @classmethod
    def parse(cls, text: str, setting: str) -> "ServiceAccount":
        """Raises SetupError, naming `setting` and what is missing, and no part of the key."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            faults = "; ".join(
                ".".join(str(part) for part in fault["loc"]) + f": {fault['msg']}"
                for fault in error.errors(include_url=False, include_input=False, include_context=False)
            )
            raise SetupError(shown(f"{setting}: not a service account's key: {faults}")) from None


class ServiceAccountTokens:
    """Fetches access tokens. Raises SetupError if the account's key cannot sign."""

    def __init__(
        self,
        account: ServiceAccount,
        token_url: str | None,
        session: Callable[[], aiohttp.ClientSession],
        clock: Callable[[], float],
        setting: str,
    ) -> None:
        self._account = account
        self._url = token_url or account.token_uri
        self._session = session
        self._clock = clock
        self._signer = JwtSigner(account.private_key, "RS256", account.private_key_id, setting)

    async def fetch(self) -> Token:
        """A new token. Raises TransientFailure or ProviderMisconfigured: no message has gone out yet."""
        issued_at = int(self._clock())
        assertion = self._signer.sign(
            {
                "iss": self._account.client_email,
                "scope": SCOPE,
                "aud": self._url,
                "iat": issued_at,
                "exp": issued_at + _ASSERTION_SECONDS,
            }
        )
        body = urlencode({"grant_type": GRANT, "assertion": assertion}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            answer = await post(self._session(), self._url, body, headers, answer_bytes=_ANSWER_BYTES)
        except UnknownOutcome as error:
            # Unknown is only whether a token was made: asking for another harms nobody.
            raise TransientFailure("fcm_token_no_answer", error.message) from error
        return _token(answer)


def _token(answer: HttpAnswer) -> Token:
    content = _object(answer.text)
    if 200 <= answer.status < 300:
        value, seconds = content.get("access_token"), content.get("expires_in")
        if isinstance(value, str) and value.isascii() and value.isprintable() and isinstance(seconds, int):
            return Token(value, max(seconds - _SPARE_SECONDS, seconds / 2))
        raise TransientFailure("fcm_token_unreadable", "the token endpoint's answer holds no token")
    code = content.get("error")
    said = shown(f"no access token: {code}: {content.get('error_description') or ''}")
    if not isinstance(code, str):
        code, said = f"http_{answer.status}", f"no access token: HTTP {answer.status}"
    passing = answer.status in PASSING or answer.status >= 500
    if TOKEN_ERRORS.get(code, TransientFailure if passing else ProviderMisconfigured) is TransientFailure:
        wait: timedelta | None = retry_after(answer.headers.get("Retry-After"))
        raise TransientFailure(f"fcm_token_{code}", said, wait)
    raise ProviderMisconfigured(f"fcm_token_{code}", said)


def _object(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
