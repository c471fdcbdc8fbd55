"""What an API process knows of tenants while Postgres answers, and while it does not."""

import asyncio
from datetime import UTC, datetime

from api.tenants import Tenants
from tests.support import eventually
from tidings.domain.tenant import Tenant
from tidings.errors import StorageUnavailable

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Source:
    """Tenants that can go away; `held`: it does not answer until told to."""

    def __init__(self, *names: str) -> None:
        self.tenants = [Tenant(name=name, created_at=NOW, disabled_at=NOW) for name in names]
        self.away = False
        self.asked = 0
        self.held = asyncio.Event()
        self.held.set()

    async def all(self) -> list[Tenant]:
        self.asked += 1
        await self.held.wait()
        if self.away:
            raise StorageUnavailable("away")
        return self.tenants


async def test_none_of_the_first_requests_gets_past_what_is_set() -> None:
    source = Source("acme")
    source.held.clear()
    tenants = Tenants(source, fresh=5)
    first = [asyncio.create_task(tenants.get("acme")) for _ in range(5)]
    await eventually(lambda: source.asked)
    assert not any(task.done() for task in first)
    source.held.set()
    assert all(tenant and tenant.disabled_at for tenant in await asyncio.gather(*first))
    assert source.asked == 1


async def test_what_was_last_known_stands_while_postgres_is_away() -> None:
    source = Source("acme")
    tenants = Tenants(source, fresh=0.1)
    await tenants.refresh()
    source.away = True
    refreshing = asyncio.create_task(tenants.keep_fresh())
    await eventually(lambda: source.asked > 2)
    known = await tenants.get("acme")
    assert known is not None
    assert known.disabled_at
    source.away, source.tenants = False, []

    async def forgotten() -> bool:
        return await tenants.get("acme") is None

    await eventually(forgotten)
    refreshing.cancel()
    await asyncio.wait([refreshing])


async def test_a_process_that_never_reached_postgres_waits_once_and_holds_up_nobody_after_that() -> None:
    source = Source("acme")
    source.away = True
    tenants = Tenants(source, fresh=5)
    assert [await tenants.get("acme") for _ in range(3)] == [None] * 3
    assert source.asked == 1
