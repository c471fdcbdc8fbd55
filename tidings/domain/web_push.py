"""Recipients of Web Push: what a browser's `PushSubscription.toJSON()` gives (https://www.w3.org/TR/push-api/)."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Self

from tidings.domain.http_url import checked_url

LONGEST = 4096

_POINT_BYTES = 65
_SECRET_BYTES = 16
_UNCOMPRESSED = 4


@dataclass(frozen=True, slots=True)
class WebPushSubscription:
    """Where one browser takes messages, and what they are encrypted for (RFC 8291)."""

    endpoint: str
    p256dh: bytes
    """The browser's public key: a point of P-256, uncompressed, 65 bytes."""
    auth: bytes
    """The secret that browser and sender share: 16 bytes."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the JSON text. Raises ValueError, with a remedy; it repeats neither keys nor endpoint."""
        if len(text) > LONGEST:
            raise ValueError(f"is not a Web Push subscription of at most {LONGEST} characters")
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("is not a Web Push subscription: not JSON") from None
        keys = found.get("keys") if isinstance(found, dict) else None
        endpoint = found.get("endpoint") if isinstance(found, dict) else None
        if not isinstance(keys, dict) or not isinstance(endpoint, str):
            raise ValueError("is not a Web Push subscription: needs endpoint, keys.p256dh and keys.auth")
        try:
            checked_url(endpoint)
        except ValueError as error:
            raise ValueError(f"is not a Web Push subscription: endpoint {error}") from None
        return cls(endpoint, _key(keys, "p256dh", _POINT_BYTES), _key(keys, "auth", _SECRET_BYTES))

    @property
    def text(self) -> str:
        """The normal form: what is needed and no more, as small as JSON gets."""
        keys = {"p256dh": encoded(self.p256dh), "auth": encoded(self.auth)}
        return json.dumps({"endpoint": self.endpoint, "keys": keys}, separators=(",", ":"))


def endpoint_of(recipient: str) -> str:
    """The endpoint of a recipient that is a Web Push subscription; any other as it is."""
    try:
        return WebPushSubscription.parse(recipient).endpoint
    except ValueError:
        return recipient


def encoded(data: bytes) -> str:
    """base64url without padding (RFC 4648, 5), as all of Web Push has it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The bytes that base64, of either alphabet, padded or not, stands for. Raises ValueError."""
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def _key(keys: dict[str, Any], name: str, length: int) -> bytes:
    given = keys.get(name)
    try:
        found = decoded(given) if isinstance(given, str) else b""
    except ValueError:
        found = b""
    if len(found) != length or (length == _POINT_BYTES and found[0] != _UNCOMPRESSED):
        raise ValueError(f"is not a Web Push subscription: keys.{name} is not {length} bytes in base64url")
    return found
