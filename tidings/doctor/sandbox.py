"""Whether the sandbox is there, where it stands in for providers."""

from collections.abc import Sequence

import aiohttp

from tidings.doctor.finding import Finding, State


async def look(url: str) -> Sequence[Finding]:
    """Finding `sandbox`."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
            session.get(f"{url.rstrip('/')}/health/live") as answer,
        ):
            if answer.ok:
                return [Finding("sandbox", State.OK, f"stands in for providers at {url}")]
            said = f"it answers {answer.status}"
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        said = "it timed out" if isinstance(error, TimeoutError) else type(error).__name__
    remedy = "start it by `tidings sandbox`, or set TIDINGS_SANDBOX_STANDS_IN=false where messages are real"
    return [Finding("sandbox", State.FAILED, f"stands in for providers, but not at {url} ({said})", remedy)]
