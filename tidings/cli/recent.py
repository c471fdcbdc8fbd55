"""The newest notifications' ids, for completion: in a hurry, and without what takes long to import."""

import json
from datetime import UTC, datetime, timedelta
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener
from uuid import UUID

from tidings.cli.context import api_access
from tidings.domain.vocabulary import Channel, Status

_IDS = 20
_RECENT = timedelta(days=1)
"""A list counts what matches, so it is asked for no more than this."""


class _NoRedirect(HTTPRedirectHandler):
    """The key is for nobody else."""

    def redirect_request(self, *_: object) -> None:
        return None


def newest(seconds: float) -> list[tuple[str, str]]:
    """Ids, each with its status and channel; none if the API cannot be asked. No read waits longer than
    `seconds`."""
    try:
        url, key = api_access(None, None)
        if not url.startswith(("http://", "https://")):
            return []
        # Not aiohttp, which takes longer to import than this takes.
        since = (datetime.now(UTC) - _RECENT).strftime("%Y-%m-%dT%H:%M:%SZ")
        request = Request(f"{url}/v1/notifications?per_page={_IDS}&created_after={since}")  # noqa: S310 -- no other scheme
        request.add_header("Authorization", f"Bearer {key}")
        with build_opener(ProxyHandler({}), _NoRedirect).open(request, timeout=seconds) as answer:
            items = json.load(answer)["data"]
        # Zsh evaluates what it is given: nothing but what these can be.
        return [
            (str(UUID(item["id"])), f"{Status(item['status'])} {Channel(item['channel'])}") for item in items
        ]
    except Exception:
        # An error in the middle of a command line helps nobody: the command itself will say it.
        return []
