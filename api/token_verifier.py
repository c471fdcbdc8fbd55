"""JSON Web Tokens (RFC 7519) as bearer tokens, checked by the rules of RFC 8725; no look-up is needed."""

from dataclasses import dataclass
from typing import Any

from api.token_keys import TokenKeys
from tidings.domain.caller import Caller
from tidings.domain.tenant import checked_name
from tidings.domain.vocabulary import KeyMode, Scope
from tidings.errors import SetupError
from tidings.settings import TokenSettings

LONGEST = 8_192
"""Characters of a token; more than any set of claims needs."""
LEEWAY = 30
"""Seconds that the issuer's clock and ours may differ by."""
REQUIRED = ("exp", "iss", "aud", "tenant", "scope")
_LONGEST_ID = 255


class BadToken(Exception):
    """Refused; the message says why and repeats nothing of the token."""


@dataclass(frozen=True, slots=True)
class Verified:
    """Whom a good token speaks for. Without an id, it cannot be revoked."""

    caller: Caller
    token_id: str | None


class TokenVerifier:
    """Checks tokens. Raises BadToken, and Problem (503) while no key set is known."""

    def __init__(self, settings: TokenSettings, keys: TokenKeys) -> None:
        """Raises SetupError if what it needs is not installed."""
        try:
            import cryptography  # noqa: F401
            import jwt
        except ModuleNotFoundError as error:
            raise SetupError(f"TIDINGS_JWT_…: needs {error.name}: pip install 'tidings[jwt]'.") from error
        self._jwt = jwt
        self._keys = keys
        self._algorithms = settings.algorithms
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience

    async def verify(self, token: str) -> Verified:
        """Whom the token speaks for."""
        if len(token) > LONGEST:
            raise BadToken(f"The token is too large: it may have {LONGEST:,} characters.")
        key_id, algorithm = self._header(token)
        key = await self._keys.find(key_id, algorithm)
        if key is None:
            fault = "The token has no kid" if key_id is None else "The token's kid is unknown"
            raise BadToken(f"{fault}: it names no key of the issuer that fits its alg.")
        return _verified(self._claims(token, key, algorithm))

    def _header(self, token: str) -> tuple[str | None, str]:
        """Which key it is said to be signed with, and how. Nothing of it is trusted further than that."""
        try:
            header = self._jwt.get_unverified_header(token)
        except (self._jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise BadToken("The token is not well formed: it is no JSON Web Token.") from None
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise BadToken(f"The token's alg is not allowed: it must be {' or '.join(self._algorithms)}.")
        return header.get("kid"), algorithm

    def _claims(self, token: str, key: Any, algorithm: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = self._jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": list(REQUIRED)},
            )
        except self._jwt.MissingRequiredClaimError as error:
            raise BadToken(f"The token lacks the claim {error.claim}.") from None
        # A number may be one that no time can be made of.
        except (self._jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise BadToken(_reason(type(error).__name__)) from None
        return claims


_REASONS = {
    "ExpiredSignatureError": "The token has expired (exp).",
    "ImmatureSignatureError": "The token is not valid yet (nbf or iat lies in the future).",
    "InvalidIssuerError": "The token's iss is not the issuer that this API trusts.",
    "InvalidAudienceError": "The token's aud does not name this API.",
    "InvalidSignatureError": "The token's signature is not good.",
    "InvalidIssuedAtError": "The token's iat is no time.",
    "InvalidSubjectError": "The token's sub is no text.",
    "InvalidJTIError": "The token's jti is no text.",
}


def _reason(error: str) -> str:
    return _REASONS.get(
        error, "The token is not well formed: it cannot be read, or a time in it is no number."
    )


def _verified(claims: dict[str, Any]) -> Verified:
    tenant, token_id = _tenant(claims["tenant"]), claims.get("jti")
    # What cannot be typed could not be revoked.
    if token_id is not None and not (1 <= len(token_id) <= _LONGEST_ID and token_id.isprintable()):
        raise BadToken(f"The token's jti must have 1 to {_LONGEST_ID} printable characters.")
    subject = claims.get("sub") or ""
    if len(subject) > _LONGEST_ID or not subject.isprintable():
        raise BadToken(f"The token's sub may have {_LONGEST_ID} printable characters.")
    caller = Caller(
        id=f"token-{tenant}/{subject}" if subject else f"token-{tenant}",
        tenant=tenant,
        mode=_mode(claims.get("mode", KeyMode.LIVE.value)),
        scopes=_scopes(claims["scope"]),
    )
    return Verified(caller, token_id)


def _tenant(claim: Any) -> str:
    if not isinstance(claim, str):
        raise BadToken("The token's tenant must be text.")
    try:
        return checked_name(claim)
    except ValueError as error:
        raise BadToken(f"The token's tenant {error}.") from None


def _scopes(claim: Any) -> frozenset[Scope]:
    """The scopes of a claim (RFC 8693, section 4.2: names with single spaces between them)."""
    named = claim.split(" ") if isinstance(claim, str) else []
    if not named or not set(named) <= {scope.value for scope in Scope}:
        raise BadToken(f"The token's scope must be one or several of {' '.join(Scope)}, with spaces between.")
    return frozenset(Scope(name) for name in named)


def _mode(claim: Any) -> KeyMode:
    if not isinstance(claim, str) or claim not in set(KeyMode):
        raise BadToken(f"The token's mode must be {' or '.join(KeyMode)}.")
    return KeyMode(claim)
