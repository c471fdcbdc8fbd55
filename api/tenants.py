"""Tenants in memory: all of them, read again every few seconds, so that no request waits for Postgres."""

import asyncio
from typing import Any, Protocol

import structlog

from tidings.domain.tenant import Tenant
from tidings.errors import StorageUnavailable

_PATIENCE = 2.0
"""Seconds that the first request waits for the tenants to be known."""

log = structlog.get_logger("api.tenants")


class TenantSource(Protocol):
    """Where tenants are kept."""

    async def all(self) -> list[Tenant]:
        """Every tenant, disabled ones included. Raises StorageUnavailable."""
        ...


class Tenants:
    """What is known of tenants. While Postgres is away, the last that was known stands."""

    def __init__(self, source: TenantSource, *, fresh: float) -> None:
        """`fresh`: seconds within which a change is known."""
        self._source = source
        self._fresh = fresh
        self._known: dict[str, Tenant] | None = None
        self._first = asyncio.Lock()
        self._has_waited = False

    async def get(self, name: str) -> Tenant | None:
        """What was set for a tenant, if anything was.

        A process that has never reached Postgres knows of no tenant: it knows no key either, and those who
        call with what needs no look-up are not locked out.
        """
        if self._known is None and not self._has_waited:
            await self._wait()
        return (self._known or {}).get(name)

    async def with_defaults(self, name: str, document: Any) -> Any:
        """A submission's decoded body, with the tenant's defaults where it says nothing."""
        tenant = await self.get(name)
        return document if tenant is None else tenant.with_defaults(document)

    async def _wait(self) -> None:
        """Hold up the first requests, once, so that none of them gets past what is set for its tenant."""
        async with self._first:
            if self._known is None and not self._has_waited:
                try:
                    async with asyncio.timeout(_PATIENCE):
                        await self.refresh()
                except (StorageUnavailable, TimeoutError) as error:
                    log.warning("tenants_unknown", reason=str(error))
                self._has_waited = True

    async def refresh(self) -> None:
        """Learn all tenants at once. Raises StorageUnavailable."""
        self._known = {tenant.name: tenant for tenant in await self._source.all()}

    async def keep_fresh(self) -> None:
        """Refresh again and again."""
        reached = True
        while True:
            try:
                await self.refresh()
                reached = True
            except Exception as error:  # whatever it is, a change must be seen once it has passed
                if reached:
                    expected = isinstance(error, StorageUnavailable)
                    log.warning("tenants_not_refreshed", reason=str(error), exc_info=not expected)
                reached = False
            await asyncio.sleep(max(self._fresh / 2, 0.2))
