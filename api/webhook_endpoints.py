"""Webhook endpoints and their secrets, for whoever may have them."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from api import problems
from api.problems import Problem
from tidings.database.webhook_endpoints import WebhookEndpointRepository
from tidings.domain.webhook_endpoint import SETTING, MasterKeys, UnknownKey, WebhookEndpoint


@dataclass(frozen=True, slots=True)
class Disclosed:
    """An endpoint with its latest secret."""

    endpoint: WebhookEndpoint
    secret: str


class WebhookEndpoints:
    """Raises Problem: 404 where the tenant has no such endpoint, 503 where no key is set up for its secret.

    Every call raises StorageUnavailable while Postgres is away.
    """

    def __init__(self, store: WebhookEndpointRepository, master_keys: MasterKeys | None) -> None:
        self._store = store
        self._master_keys = master_keys

    async def add(self, tenant: str, url: str) -> tuple[Disclosed, bool]:
        """The endpoint for a normalised URL, and whether it is new."""
        endpoint, is_new = await self._store.add(tenant, url, self._keys().newest)
        return self._disclosed(endpoint), is_new

    async def get(self, tenant: str, id: UUID) -> Disclosed:
        """The endpoint with its secret."""
        return self._disclosed(_found(await self._store.get(tenant, id)))

    async def all(self, tenant: str) -> list[WebhookEndpoint]:
        """The tenant's endpoints, newest first."""
        return await self._store.all(tenant)

    async def rotate(self, tenant: str, id: UUID, overlap: timedelta) -> Disclosed:
        """The endpoint with a new secret; the one before signs on for `overlap`."""
        newest = self._keys().newest
        seen = _found(await self._store.get(tenant, id))
        return self._disclosed(_found(await self._store.rotate(seen, newest, overlap)))

    async def remove(self, tenant: str, id: UUID) -> None:
        """Forget the endpoint and its secret for good."""
        if not await self._store.remove(tenant, id):
            raise not_found()

    def _keys(self) -> MasterKeys:
        if self._master_keys is None:
            raise Problem(problems.WEBHOOK_KEY_MISSING, f"The operator has to set {SETTING}.")
        return self._master_keys

    def _disclosed(self, endpoint: WebhookEndpoint) -> Disclosed:
        try:
            return Disclosed(endpoint, self._keys().secret(endpoint))
        except UnknownKey as error:
            raise Problem(problems.WEBHOOK_KEY_MISSING, f"{error}.") from error


def not_found() -> Problem:
    """There is none of that id for this tenant."""
    return Problem(problems.NOT_FOUND, "There is no webhook endpoint with this id.")


def _found(endpoint: WebhookEndpoint | None) -> WebhookEndpoint:
    if endpoint is None:
        raise not_found()
    return endpoint
