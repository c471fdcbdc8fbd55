"""Whether the API answers, is ready, and knows our key."""

import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime

import aiohttp

from tidings.doctor.finding import Finding, State, clock

_OK, _UNAVAILABLE, _REFUSED, _FORBIDDEN = 200, 503, 401, 403


async def look(url: str, api_key: str | None, *, expected: bool) -> Sequence[Finding]:
    """Findings `api`, `api key` and `clock (API)`. `expected`: somebody said that it is at `url`."""
    timeout = aiohttp.ClientTimeout(total=10)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            began = time.time()
            async with session.get(f"{url}/health/ready", allow_redirects=False) as answer:
                status, date = answer.status, answer.headers.get("Date")
                text = await answer.text()
            took = time.time() - began
            findings = [_readiness(url, status, text)]
            if api_key is not None and status in (_OK, _UNAVAILABLE):
                findings.append(await _key(session, url, api_key))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        said = "it timed out" if isinstance(error, TimeoutError) else type(error).__name__
        found = f"{url} cannot be reached ({said})"
        if expected:
            return [Finding("api", State.FAILED, found, "start it, or set TIDINGS_URL")]
        return [Finding("api", State.UNCHECKED, found, "set TIDINGS_URL if there is one elsewhere")]
    return [*findings, *_clock(date, began, took)]


def _readiness(url: str, status: int, text: str) -> Finding:
    if status == _OK:
        return Finding("api", State.OK, f"ready at {url}")
    if status == _UNAVAILABLE:
        return Finding("api", State.FAILED, f"{url} is not ready: {text[:300]}", "see what else failed here")
    remedy = "set TIDINGS_URL to where Tidings answers"
    return Finding("api", State.FAILED, f"{url} answered /health/ready with {status}", remedy)


async def _key(session: aiohttp.ClientSession, url: str, api_key: str) -> Finding:
    headers = {"Authorization": f"Bearer {api_key}"}
    async with session.get(
        f"{url}/v1/notifications?per_page=1", headers=headers, allow_redirects=False
    ) as answer:
        status = answer.status
    if status == _REFUSED:
        remedy = "`tidings keys create` makes one: set TIDINGS_API_KEY"
        return Finding("api key", State.FAILED, "the API does not know it", remedy)
    if status in (_OK, _FORBIDDEN):
        what = "" if status == _OK else ", without the scope `read`"
        return Finding("api key", State.OK, f"the API takes it{what}")
    return Finding("api key", State.UNCHECKED, f"the API answered {status}")


def _clock(date: str | None, began: float, took: float) -> Sequence[Finding]:
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return []
    # A Date has no fractions: it is half a second late on average.
    return [clock("API", began + took / 2 - theirs - 0.5, took / 2 + 0.5)]
