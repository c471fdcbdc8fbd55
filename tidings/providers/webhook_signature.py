"""Signatures of webhooks: Standard Webhooks 1.0."""

import base64
from datetime import UTC, datetime

from standardwebhooks import Webhook

from tidings.errors import SetupError

_PREFIX = "whsec_"


class WebhookSigner:
    """Signs with every secret it has, so that receivers can change theirs one by one.

    `secrets`: each `whsec_` and 24 to 64 bytes in base64, separated by spaces; else it raises SetupError.
    """

    def __init__(self, secrets: str) -> None:
        self._keys = [Webhook(_checked(secret)) for secret in secrets.split()]

    def headers(self, message_id: str, at: datetime, body: str) -> dict[str, str]:
        """`webhook-id`, `webhook-timestamp` (seconds since 1970) and, given a secret, `webhook-signature`."""
        # The library takes the clock time of whatever zone it is given for UTC.
        at = at.astimezone(UTC)
        headers = {"webhook-id": message_id, "webhook-timestamp": str(int(at.timestamp()))}
        if self._keys:
            headers["webhook-signature"] = " ".join(key.sign(message_id, at, body) for key in self._keys)
        return headers


def _checked(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:  # binascii.Error is one, and so is what is not ASCII
        key = b""
    if not secret.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise SetupError(
            "TIDINGS_WEBHOOK_SECRET: each secret must be whsec_ and 24 to 64 bytes in base64, "
            "for example from: echo whsec_$(openssl rand -base64 32)"
        )
    return key
