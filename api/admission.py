"""Whether a caller who is known may come in now: its tenant is enabled, its limits are not used up."""

from collections.abc import Callable, Sequence

from api import problems
from api.problems import Problem
from api.rate_limits import Counting, Quota, Standing
from api.tenants import Tenants
from tidings.domain.rate_limit import RateLimit

QUOTA_HEADERS = "tidings.quota_headers"
"""In the scope of a request that was admitted: headers that its answer is to have."""


class Admission:
    """One question for each request with a key."""

    def __init__(
        self,
        tenants: Tenants,
        counting: Counting,
        *,
        key_limit: RateLimit | None,
        tenant_limit: RateLimit | None,
        limited: Callable[[str], None] = lambda limit: None,
    ) -> None:
        """The limits are those of tenants that have none of their own; None: none.

        `limited` is told of each request that is refused, and whose limit it was: `key` or `tenant`.
        """
        self._tenants = tenants
        self._counting = counting
        self._key_limit = key_limit
        self._tenant_limit = tenant_limit
        self._limited = limited

    async def admit(self, key_id: str, tenant: str) -> dict[str, str]:
        """Count the request; the headers for its answer. Raises Problem: 403 or 429."""
        known = await self._tenants.get(tenant)
        if known is not None and known.disabled_at is not None:
            raise Problem(
                problems.TENANT_DISABLED, f"Tenant {tenant} is disabled: ask the operator of this service."
            )
        limits = {
            "key": (key_id, (known and known.key_rate_limit) or self._key_limit),
            "tenant": (tenant, (known and known.rate_limit) or self._tenant_limit),
        }
        quotas = [Quota(name, owner, limit) for name, (owner, limit) in limits.items() if limit is not None]
        if not quotas:
            return {}
        standings = await self._counting.take(quotas)
        headers = _headers(standings)
        for standing in standings:
            if not standing.admitted:
                self._limited(standing.quota.name)
                raise _too_many(standing, headers)
        return headers


def _headers(standings: Sequence[Standing]) -> dict[str, str]:
    """draft-ietf-httpapi-ratelimit-headers-10: lists of structured fields (RFC 9651)."""
    policies = (
        f'"{standing.quota.name}";q={standing.quota.limit.amount};w={standing.quota.limit.seconds}'
        for standing in standings
    )
    now = (f'"{standing.quota.name}";r={standing.remaining};t={standing.reset}' for standing in standings)
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(now)}


def _too_many(standing: Standing, headers: dict[str, str]) -> Problem:
    quota, wait = standing.quota, max(1, standing.reset)
    whose = "This API key" if quota.name == "key" else "The tenant"
    return Problem(
        problems.TOO_MANY_REQUESTS,
        f"{whose} may make {quota.limit} requests, and nothing was done with this one: "
        f"try again in {wait} s.",
        headers={"Retry-After": str(wait), **headers},
        limit=quota.name,
    )
