"""The secrets of webhook endpoints, for the worker: asked for now and then, remembered in an outage."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from tidings.domain.webhook_endpoint import SETTING, MasterKeys, UnknownKey, WebhookEndpoint
from tidings.errors import ProviderMisconfigured, StorageUnavailable

_FRESH_SECONDS = 5.0
_PATIENCE = 2.0
"""Seconds that a webhook waits for Postgres: longer than any read by an index takes."""
_REMEMBERED = 10_000

Key = tuple[str, str]


class EndpointSource(Protocol):
    """Where endpoints are kept."""

    async def find(self, tenant: str, url: str) -> WebhookEndpoint | None:
        """The tenant's endpoint for that URL. Raises StorageUnavailable."""
        ...


class CachedEndpointSecrets:
    """The port `activities.ports.EndpointSecrets`. A change shows within five seconds."""

    def __init__(
        self,
        source: EndpointSource,
        master_keys: MasterKeys | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._master_keys = master_keys
        self._clock = clock
        self._known: OrderedDict[Key, tuple[float, WebhookEndpoint | None]] = OrderedDict()

    async def of(self, tenant: str, url: str) -> tuple[str, ...]:
        """Those that sign now. Raises StorageUnavailable, ProviderMisconfigured."""
        endpoint = await self._endpoint((tenant, url))
        if endpoint is None:
            return ()
        if self._master_keys is None:
            raise ProviderMisconfigured("webhook_key_missing", f"{SETTING} is not set")
        try:
            return self._master_keys.signing_secrets(endpoint, datetime.now(UTC))
        except UnknownKey as error:
            raise ProviderMisconfigured("webhook_key_missing", str(error)) from error

    async def _endpoint(self, key: Key) -> WebhookEndpoint | None:
        known = self._known.get(key)
        asked_at = self._clock()
        if known is not None and asked_at - known[0] < _FRESH_SECONDS:
            return known[1]
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await self._source.find(*key)
        except (StorageUnavailable, TimeoutError) as error:
            if known is None:
                raise StorageUnavailable("the endpoint's secret cannot be looked up now") from error
            return known[1]
        self._known[key] = (asked_at, found)
        self._known.move_to_end(key)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found
