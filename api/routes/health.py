"""`/health`: is the process alive, and can it do its work."""

import asyncio
from typing import Literal

import structlog
from fastapi import APIRouter
from pydantic import BaseModel

from api import openapi, problems
from api.composition import Probe
from api.dependencies import PartsOfApp
from api.problems import Problem
from tidings.errors import NamespaceNotReady

_PROBE_TIMEOUT = 2.0
"""Seconds a part may take to answer: those who ask wait seldom longer than a few."""

log = structlog.get_logger("api.health")

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    """All is well."""

    status: Literal["ok"] = "ok"


@router.get("/live")
async def live() -> Health:
    """Whether the process answers at all. Restart it if not."""
    return Health()


@router.get("/ready", responses=openapi.problems(503))
async def ready(parts: PartsOfApp) -> Health:
    """Whether Postgres and Temporal can be reached. 503 names the part that cannot."""
    faults = await asyncio.gather(*(_fault(name, probe) for name, probe in parts.probes.items()))
    missing = {name: fault for name, fault in zip(parts.probes, faults, strict=True) if fault is not None}
    if missing:
        raise Problem(
            problems.NOT_READY,
            f"Cannot be used now: {', '.join(f'{name}{fault}' for name, fault in missing.items())}.",
            headers=problems.RETRY_AFTER,
            parts=list(missing),
        )
    return Health()


async def _fault(name: str, probe: Probe) -> str | None:
    """What to say after the part's name; None if it can be used. The log has all that is known."""
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT):
            await probe()
    except NamespaceNotReady as error:
        log.warning("part_unavailable", part=name, reason=str(error))
        return " (not set up: `tidings migrate`)"
    except Exception as error:  # whatever it is, the part cannot be used
        log.warning("part_unavailable", part=name, reason=str(error) or type(error).__name__)
        return ""
    return None
