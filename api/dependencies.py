"""What routes are given: the parts, and whose request it is."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api import problems
from api.admission import QUOTA_HEADERS
from api.composition import Parts
from api.problems import Problem
from tidings.domain.api_key import ApiKey, looks_like_key

_BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="API key",
    description="`Authorization: Bearer td_live_…` (or `td_test_…`), from `tidings keys create`.",
)


# Not plain functions: the framework would run those in a thread.
async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsOfApp = Annotated[Parts, Depends(_parts)]


async def _caller(
    request: Request,
    parts: PartsOfApp,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
) -> ApiKey:
    if credentials is None:
        raise _unauthorized("Send Authorization: Bearer and an API key.", 'Bearer realm="tidings"')
    token = credentials.credentials
    key = await parts.keys.identify(token) if looks_like_key(token) else None
    if key is None:
        challenge = 'Bearer realm="tidings", error="invalid_token"'  # RFC 6750, section 3.1
        raise _unauthorized("The API key is unknown or revoked.", challenge)
    request.scope[QUOTA_HEADERS] = await parts.admission.admit(str(key.id), key.tenant)
    return key


Caller = Annotated[ApiKey, Depends(_caller)]
"""The API key that came with the request. Raises Problem (401, 403, 429), StorageUnavailable."""


async def _tenant(caller: Caller) -> str:
    return caller.tenant


Tenant = Annotated[str, Depends(_tenant)]
"""The tenant of the API key that came with the request. Raises Problem (401), StorageUnavailable."""


def _unauthorized(detail: str, challenge: str) -> Problem:
    return Problem(problems.UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})
