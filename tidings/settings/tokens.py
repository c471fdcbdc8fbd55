"""Which JSON Web Tokens the API takes."""

from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from tidings.settings.base import Settings, split

_ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_LEAST_SECRET_BYTES = 32
"""HS256 needs a key as long as its hash (RFC 7518, section 3.2)."""


class TokenSettings(Settings):
    """Which JSON Web Tokens (RFC 7519) the API takes; none without a key set or a secret."""

    jwt_jwks: str | None = None
    """The issuer's JSON Web Key Set (RFC 7517): the path of a file or an https URL."""
    jwt_issuer: str | None = None
    """What the claim `iss` must be, to the letter."""
    jwt_audience: str | None = None
    """What the claim `aud` must be or hold."""
    jwt_algorithms: Annotated[tuple[str, ...], NoDecode] = ("RS256", "ES256")
    """Signatures that are taken, separated by commas."""
    jwt_secret: SecretStr | None = None
    """For HS256, and then for nothing else: whoever checks tokens by it can make some."""

    @field_validator("jwt_algorithms", mode="before")
    @classmethod
    def _split_algorithms(cls, value: Any) -> Any:
        return split(value)

    @field_validator("jwt_jwks")
    @classmethod
    def _is_safe_source(cls, value: str | None) -> str | None:
        if value is not None and "://" in value:
            url = urlsplit(value)
            loopback = url.scheme == "http" and url.hostname in ("127.0.0.1", "::1", "localhost")
            if not url.hostname or not (url.scheme == "https" or loopback):
                raise ValueError("a URL must be https: whoever can change the answer can sign tokens")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.enabled:
            return self
        if not self.jwt_issuer or not self.jwt_audience:
            raise ValueError("tokens need TIDINGS_JWT_ISSUER and TIDINGS_JWT_AUDIENCE")
        allowed: tuple[str, ...] = _ASYMMETRIC
        if self.jwt_secret is not None:
            if self.jwt_jwks is not None:
                raise ValueError("set either TIDINGS_JWT_JWKS or TIDINGS_JWT_SECRET, not both")
            if len(self.jwt_secret.get_secret_value().encode()) < _LEAST_SECRET_BYTES:
                raise ValueError(f"TIDINGS_JWT_SECRET must have at least {_LEAST_SECRET_BYTES} bytes")
            allowed = ("HS256",)
        given = self.algorithms
        if not given or not set(given) <= set(allowed):
            raise ValueError(f"TIDINGS_JWT_ALGORITHMS may here be only {', '.join(allowed)}")
        return self

    @property
    def enabled(self) -> bool:
        """Whether any token is taken."""
        return self.jwt_jwks is not None or self.jwt_secret is not None

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Signatures that are taken; with a secret, HS256 alone."""
        if self.jwt_secret is not None and "jwt_algorithms" not in self.model_fields_set:
            return ("HS256",)
        return self.jwt_algorithms
