"""Who calls the API, whether by an API key or by a token."""

from pydantic import BaseModel, ConfigDict

from tidings.domain.api_key import ApiKey
from tidings.domain.vocabulary import KeyMode, Scope


class Caller(BaseModel):
    """All that the API needs to know of whoever calls it."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Of the credential: `key-<id of the API key>` or `token-<tenant>/<subject>` (`token-<tenant>` without).

    A subject says who it is within its tenant: two tenants may each have an `orders`.
    """
    tenant: str
    mode: KeyMode
    scopes: frozenset[Scope]

    @classmethod
    def by_key(cls, key: ApiKey) -> "Caller":
        """The caller that an API key stands for."""
        return cls(id=f"key-{key.id}", tenant=key.tenant, mode=key.mode, scopes=frozenset(key.scopes))
