"""Who calls: by an API key or, where they are set up, by a token."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from sqlalchemy.ext.asyncio import AsyncEngine

from api import problems
from api.key_cache import KeyCache
from api.key_uses import KeyUses
from api.problems import Problem
from api.revoked_tokens import RevokedTokens
from api.token_keys import KeySet, SharedSecret
from api.token_verifier import BadToken, TokenVerifier
from tidings.database.api_keys import ApiKeyRepository
from tidings.database.revoked_tokens import RevokedTokenRepository
from tidings.domain.api_key import claims_to_be_key, is_well_formed
from tidings.domain.caller import Caller
from tidings.errors import SetupError
from tidings.metrics import ApiMetrics
from tidings.settings import ApiSettings, TokenSettings

_CHALLENGE = 'Bearer realm="tidings"'
_INVALID_TOKEN = f'{_CHALLENGE}, error="invalid_token"'
"""RFC 6750, section 3.1."""


class Identification:
    """Raises Problem: 401, or 503 if it cannot be known now; StorageUnavailable likewise."""

    def __init__(
        self, keys: KeyCache, uses: KeyUses, tokens: TokenVerifier | None, revoked: RevokedTokens
    ) -> None:
        self._keys = keys
        self._uses = uses
        self._tokens = tokens
        self._revoked = revoked

    async def caller(self, credentials: str | None) -> Caller:
        """Whom a bearer token stands for."""
        if credentials is None:
            raise _unauthorized("Send Authorization: Bearer and an API key or token.", _CHALLENGE)
        if claims_to_be_key(credentials):
            return await self._by_key(credentials)
        if self._tokens is None:
            raise _unauthorized("This is no API key, and nothing else is taken here.")
        return await self._by_token(self._tokens, credentials)

    async def _by_key(self, secret: str) -> Caller:
        if not is_well_formed(secret):
            raise _unauthorized("This is no API key: it is mistyped or cut short.")
        key = await self._keys.identify(secret)
        if key is None:
            raise _unauthorized("The API key is unknown, revoked or expired.")
        self._uses.note(key.id)
        return Caller.by_key(key)

    async def _by_token(self, tokens: TokenVerifier, token: str) -> Caller:
        try:
            verified = await tokens.verify(token)
        except BadToken as error:
            raise _unauthorized(str(error)) from None
        if verified.token_id is not None and await self._revoked.holds(verified.token_id):
            raise _unauthorized("The token is revoked.")
        return verified.caller


@asynccontextmanager
async def identification(
    engine: AsyncEngine, settings: ApiSettings, tokens: TokenSettings, metrics: ApiMetrics
) -> AsyncIterator[Identification]:
    """Build it, and keep what it knows fresh for the block. Raises SetupError."""
    fresh, outage = settings.key_cache_seconds, settings.key_outage_seconds
    repository = ApiKeyRepository(engine)
    keys = KeyCache(repository, fresh=fresh, outage=outage, looked_up=metrics.looked_up)
    metrics.count_keys(keys.known)
    uses = KeyUses(repository)
    revoked = RevokedTokens(RevokedTokenRepository(engine), fresh=fresh, outage=outage)
    upkeep: list[Coroutine[Any, Any, None]] = []
    verifier = await _verifier(tokens, upkeep)
    if verifier is not None:
        upkeep.append(revoked.keep_fresh())
    tasks = [asyncio.create_task(work) for work in (keys.keep_fresh(), uses.keep_written(), *upkeep)]
    try:
        yield Identification(keys, uses, verifier, revoked)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def _verifier(settings: TokenSettings, upkeep: list[Coroutine[Any, Any, None]]) -> TokenVerifier | None:
    if settings.jwt_secret is not None:
        return TokenVerifier(settings, SharedSecret(settings.jwt_secret.get_secret_value()))
    if settings.jwt_jwks is None:
        return None
    key_set = KeySet(settings.jwt_jwks)
    verifier = TokenVerifier(settings, key_set)
    if not key_set.is_remote:
        # A file that is wrong now is wrong for good; a server that is away may come back.
        try:
            await key_set.refresh()
        except (OSError, ValueError, aiohttp.ClientError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SetupError(f"TIDINGS_JWT_JWKS: the file cannot be used: {reason}.") from None
    upkeep.append(key_set.keep_fresh())
    return verifier


def _unauthorized(detail: str, challenge: str = _INVALID_TOKEN) -> Problem:
    return Problem(problems.UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})
