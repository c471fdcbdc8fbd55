"""Webhook endpoints: URLs of a tenant with a secret of their own, and the keys that the secrets come from.

No secret is stored. Each is derived from one of our master keys and from what the endpoint is: whoever
reads the database can sign nothing.
"""

import base64
import hashlib
import hmac
from datetime import datetime
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tidings.errors import SetupError

SETTING = "TIDINGS_WEBHOOK_SIGNING_KEY"
_PREFIX = "whsec_"
_LABEL = b"tidings webhook endpoint 1\x00"


class WebhookEndpoint(BaseModel):
    """A URL with a secret. `version` counts its secrets; `key_id` tells which master key the latest is of."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    tenant: str
    url: str
    version: int
    key_id: str
    previous_key_id: str | None = None
    previous_until: AwareDatetime | None = None
    """Until then the secret before the latest signs as well."""
    rotated_at: AwareDatetime | None = None
    created_at: AwareDatetime


class UnknownKey(Exception):
    """The master key that an endpoint's secret comes from is not among ours."""


class MasterKeys:
    """The master keys: the first is for new secrets, the others for those that were made with them.

    `keys`: separated by spaces, each at least 32 bytes in base64, with or without `whsec_`; else it raises
    SetupError. Nothing of them is in its text form.
    """

    def __init__(self, keys: str) -> None:
        decoded = [_decoded(key) for key in keys.split()]
        if not decoded:
            raise SetupError(f"{SETTING} holds no key.")
        self._keys = {key_id_of(key): key for key in decoded}
        self.newest = key_id_of(decoded[0])
        """The id of the key for new secrets."""

    def secret(self, endpoint: WebhookEndpoint) -> str:
        """The latest secret, in Standard Webhooks' form. Raises UnknownKey."""
        return self._secret(endpoint, endpoint.version, endpoint.key_id)

    def signing_secrets(self, endpoint: WebhookEndpoint, now: datetime) -> tuple[str, ...]:
        """The secrets that sign now, the latest first. Raises UnknownKey."""
        latest = (self.secret(endpoint),)
        until, key_id = endpoint.previous_until, endpoint.previous_key_id
        if until is None or key_id is None or until <= now:
            return latest
        return (*latest, self._secret(endpoint, endpoint.version - 1, key_id))

    def _secret(self, endpoint: WebhookEndpoint, version: int, key_id: str) -> str:
        key = self._keys.get(key_id)
        if key is None:
            raise UnknownKey(f"{SETTING} does not hold the key {key_id}")
        parts = (endpoint.id.bytes, endpoint.tenant.encode(), endpoint.url.encode(), version.to_bytes(8))
        # Each with its length: no other endpoint gives the same bytes.
        content = _LABEL + b"".join(len(part).to_bytes(4) + part for part in parts)
        digest = hmac.digest(key, content, "sha256")
        return _PREFIX + base64.b64encode(digest).decode()


def key_id_of(key: bytes) -> str:
    """A name for a master key, from which nothing of it can be learned."""
    return hashlib.sha256(b"tidings webhook master\x00" + key).hexdigest()[:12]


def _decoded(key: str) -> bytes:
    try:
        decoded = base64.b64decode(key.removeprefix(_PREFIX), validate=True)
    except ValueError:  # binascii.Error is one, and so is what is not ASCII
        decoded = b""
    if len(decoded) < 32:
        raise SetupError(
            f"{SETTING}: each key must be at least 32 bytes in base64, "
            "for example from: echo whsec_$(openssl rand -base64 32)"
        )
    return decoded
