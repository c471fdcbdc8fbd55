"""What routes are given: the parts, and whose request it is.

Whoever calls needs the scope that the route's dependency names: `Tenant` read, `Caller` send, `Administrator`
admin. A route without any of them is open to everybody.
"""

from typing import Annotated

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from opentelemetry import trace

from api import problems
from api.admission import QUOTA_HEADERS
from api.composition import Parts
from api.problems import Problem
from tidings.domain.caller import Caller as IdentifiedCaller
from tidings.domain.vocabulary import Scope

_BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="api_key",
    description=(
        "`Authorization: Bearer td_live_…` (or `td_test_…`), from `tidings keys create`; or a JSON Web Token "
        "of the issuer that the operator has set up. Each call needs a scope: `send`, `read` or `admin`."
    ),
)


# Not plain functions: the framework would run those in a thread.
async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsOfApp = Annotated[Parts, Depends(_parts)]


async def _caller(
    request: Request,
    parts: PartsOfApp,
    needed: SecurityScopes,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
) -> IdentifiedCaller:
    caller = await parts.identification.caller(credentials.credentials if credentials else None)
    structlog.contextvars.bind_contextvars(tenant=caller.tenant)
    trace.get_current_span().set_attribute("tidings.tenant", caller.tenant)
    request.scope[QUOTA_HEADERS] = await parts.admission.admit(caller.id, caller.tenant)
    missing = [scope for scope in needed.scopes if scope not in caller.scopes]
    if missing:
        scope = " ".join(missing)
        raise Problem(
            problems.INSUFFICIENT_SCOPE,
            f"This needs the scope {scope}, which the API key or token does not have.",
            # RFC 6750, section 3.1.
            headers={
                "WWW-Authenticate": f'Bearer realm="tidings", error="insufficient_scope", scope="{scope}"'
            },
            scope=scope,
        )
    return caller


Caller = Annotated[IdentifiedCaller, Security(_caller, scopes=[Scope.SEND.value])]
"""Whose request it is; `send` is needed. Raises Problem (401, 403, 429, 503), StorageUnavailable."""
Administrator = Annotated[IdentifiedCaller, Security(_caller, scopes=[Scope.ADMIN.value])]
"""The same with the scope `admin`."""
Reader = Annotated[IdentifiedCaller, Security(_caller, scopes=[Scope.READ.value])]
"""The same with the scope `read`."""


async def _tenant(reader: Reader) -> str:
    return reader.tenant


Tenant = Annotated[str, Depends(_tenant)]
"""The tenant whose request it is; the scope `read` is needed. Raises the same."""
