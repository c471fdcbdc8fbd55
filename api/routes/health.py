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
    answers = await asyncio.gather(*(_reaches(name, probe) for name, probe in parts.probes.items()))
    missing = [name for name, reached in zip(parts.probes, answers, strict=True) if not reached]
    if missing:
        raise Problem(
            problems.NOT_READY,
            f"Cannot be used now: {', '.join(missing)}.",
            headers=problems.RETRY_AFTER,
            parts=missing,
        )
    return Health()


async def _reaches(name: str, probe: Probe) -> bool:
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT):
            await probe()
    except Exception as error:  # whatever it is, the part cannot be used
        log.warning("part_unavailable", part=name, reason=str(error) or type(error).__name__)
        return False
    return True
