"""`webhook`: POSTs the notification to the recipient's URL, signed by Standard Webhooks 1.0.

Receivers deduplicate by `webhook-id`: it is the same over all attempts.
"""

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Self

import aiohttp

from tidings import tracing
from tidings.domain.receipt import SuppressionReason
from tidings.domain.recipient import checked_recipient
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure
from tidings.providers.http_call import open_connector, open_session, post
from tidings.providers.http_outcome import failure_for
from tidings.providers.protocol import RESPONSE_BYTES, Acceptance, OutgoingMessage
from tidings.providers.webhook_signature import WebhookSigner
from tidings.providers.webhook_target import CheckedResolver, CheckedSockets, Lookup, TargetPolicy
from tidings.providers.wording import shown
from tidings.settings import ProviderSettings


class WebhookProvider:
    """Calls URLs on public networks and on those the settings allow. Raises SetupError on a bad secret.

    `lookup` and `sockets` stand in for name resolution and for the connection's socket.
    """

    name = "webhook"

    def __init__(
        self,
        settings: ProviderSettings,
        *,
        lookup: Lookup | None = None,
        sockets: aiohttp.SocketFactoryType | None = None,
    ) -> None:
        self._settings = settings
        self._policy = TargetPolicy(settings.webhook_allowed_networks)
        self._resolver = CheckedResolver(self._policy, lookup)
        self._sockets = sockets or CheckedSockets(self._policy)
        secret = settings.webhook_secret
        self._signer = WebhookSigner(secret.get_secret_value() if secret else "")
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def build(cls, settings: ProviderSettings) -> Self:
        """From the shared settings alone."""
        return cls(settings)

    async def send(self, message: OutgoingMessage) -> Acceptance:
        """POST once; any 2xx is acceptance, and 410 says that the endpoint is gone for good."""
        try:
            # Accepted long ago, perhaps, and by other rules.
            url = checked_recipient(Channel.WEBHOOK, message.recipient)
        except ValueError as error:
            raise PermanentFailure("target_invalid", shown(f"the URL {error}")) from error
        body = payload(message)
        own = WebhookSigner(" ".join(message.signing_secrets)) if message.signing_secrets else None
        headers = (own or self._signer).headers(message.key, datetime.now(UTC), body)
        headers["Content-Type"] = "application/json"
        if self._settings.webhook_traceparent and (traceparent := tracing.traceparent()):
            headers["traceparent"] = traceparent
        answer = await post(self._opened(), url, body.encode(), headers, answer_bytes=RESPONSE_BYTES)
        failure = failure_for(answer.status, answer.headers, answer.text)
        if answer.status == HTTPStatus.GONE and failure is not None:
            failure = PermanentFailure("webhook_gone", failure.message, suppresses=SuppressionReason.GONE)
        if failure is not None:
            failure.response = answer.text
            raise failure
        return Acceptance(response=answer.text)

    async def check(self) -> str:
        """The secret was read when this was built; whom to call, each notification says."""
        signed = "signed" if self._settings.webhook_secret else "unsigned, but for endpoints with a secret"
        return f"calls are {signed}"

    async def aclose(self) -> None:
        """Close pooled connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = open_connector(self._resolver, self._sockets)
            self._session = open_session(self._settings, connector)
        return self._session


def payload(message: OutgoingMessage) -> str:
    """The body, the same for every attempt: JSON in the form that Standard Webhooks recommends."""
    created_at = message.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    content = {
        "type": "notification",
        "timestamp": created_at,
        "data": {
            "id": str(message.notification_id),
            "subject": message.subject,
            "body": message.body,
            "metadata": message.metadata,
            "tags": list(message.tags),
        },
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
