"""`client.webhook_endpoints`."""

from collections.abc import Sequence
from uuid import UUID

from tidings.client.models import Page, WebhookEndpoint, WebhookEndpointDetails
from tidings.client.resources import delete, path_of
from tidings.client.retrying import Repeat
from tidings.client.transport import Transport

_ROOT = "webhook-endpoints"


class WebhookEndpoints:
    """URLs with a secret of their own. Every call raises as those of `Tidings` do.

    `add` and `rotate` make secrets: after a failure that leaves open whether there is a new one, they are not
    asked again; `get` shows the one that holds.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def add(self, url: str) -> WebhookEndpointDetails:
        """Give a URL a secret, or show the one it has."""
        answered = await self._transport.call(
            "POST", path_of(_ROOT), document={"url": url}, repeat=Repeat.IF_NOT_BEGUN
        )
        return answered.as_model(WebhookEndpointDetails)

    async def list(self) -> Sequence[WebhookEndpoint]:
        """All endpoints, newest first, without their secrets."""
        answered = await self._transport.call("GET", path_of(_ROOT))
        return answered.as_model(Page[WebhookEndpoint]).data

    async def get(self, id: str | UUID) -> WebhookEndpointDetails:
        """An endpoint with its secret."""
        answered = await self._transport.call("GET", path_of(_ROOT, id))
        return answered.as_model(WebhookEndpointDetails)

    async def rotate(self, id: str | UUID, *, overlap_seconds: int = 86_400) -> WebhookEndpointDetails:
        """Make a new secret; the one before signs as well for so many seconds, 0 for one that has leaked."""
        answered = await self._transport.call(
            "POST",
            path_of(_ROOT, id, "rotate"),
            document={"overlap_seconds": overlap_seconds},
            repeat=Repeat.IF_NOT_BEGUN,
        )
        return answered.as_model(WebhookEndpointDetails)

    async def remove(self, id: str | UUID) -> None:
        """Forget an endpoint and its secret for good."""
        await delete(self._transport, path_of(_ROOT, id))
