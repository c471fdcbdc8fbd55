"""Calls of the HTTP API, for commands: an answer or one clear error."""

from typing import Any

import aiohttp

from tidings.errors import TidingsError


class CallFailed(TidingsError):
    """The API refused, or could not be reached. The message is for a person."""


async def call(url: str, api_key: str, method: str, path: str, **request: Any) -> dict[str, Any]:
    """The JSON of a successful answer. Raises CallFailed."""
    headers = {"Authorization": f"Bearer {api_key}"}
    limit = aiohttp.ClientTimeout(total=30)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=limit) as session,
            session.request(method, f"{url}{path}", **request) as response,
        ):
            body = await _json(response)
            if response.status >= 400:
                raise CallFailed(_problem(response.status, body))
            return body
    except (aiohttp.ClientConnectionError, TimeoutError) as error:
        reason = "it does not answer" if isinstance(error, TimeoutError) else "nobody listens there"
        raise CallFailed(
            f"The API at {url} cannot be reached ({reason}): start it by `tidings up`, or set TIDINGS_URL."
        ) from None
    except (aiohttp.InvalidURL, ValueError) as error:
        raise CallFailed(f"{url} is no address of an API: {error}") from None


async def _json(response: aiohttp.ClientResponse) -> dict[str, Any]:
    try:
        body = await response.json(content_type=None)
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {}


def _problem(status: int, body: dict[str, Any]) -> str:
    """A problem document (RFC 9457) as lines for a person."""
    lines = [f"{body.get('title', f'HTTP {status}')}: {body.get('detail', 'the API gave no reason')}"]
    lines += [f"  {fault['pointer']}: {fault['detail']}" for fault in body.get("errors", [])]
    return "\n".join(lines)
