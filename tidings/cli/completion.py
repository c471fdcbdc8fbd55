"""What a shell offers where a value is due. Each press of the key is a process: nothing slow is imported.

Functions take the parameter `incomplete`, by whose name typer knows what they want.
"""

import json
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener
from uuid import UUID

from tidings.cli.context import api_access
from tidings.cli.signals import CANCELLABLE, RETRYABLE
from tidings.domain.providers import BUILT_IN
from tidings.domain.vocabulary import Channel, Guarantee, KeyMode, Priority, Status

_SECONDS = 0.8
"""Nobody waits longer for ids: then there are none to offer."""
_IDS = 20
_RECENT = timedelta(days=1)
"""A list counts what matches, so it is asked for no more than this."""

Complete = Callable[[str], list[str]]


def _words(words: Iterable[str]) -> Complete:
    def complete(incomplete: str) -> list[str]:
        return [str(word) for word in words if word.startswith(incomplete)]

    return complete


statuses = _words(Status)
cancellable = _words(CANCELLABLE)
retryable = _words(RETRYABLE)
channels = _words(Channel)
modes = _words(KeyMode)
priorities = _words(Priority)
guarantees = _words(Guarantee)


def providers(incomplete: str) -> list[str]:
    """Tidings' own providers, and those of installed packages by their names: none of them is loaded."""
    names = [entry.name for entry in BUILT_IN] + [
        each.name for each in entry_points(group="tidings.providers")
    ]
    return [name for name in names if name.startswith(incomplete)]


def recent_ids(incomplete: str) -> list[tuple[str, str]]:
    """The newest notifications' ids, each with what it is, from the API; none if it does not answer soon."""
    found: list[tuple[str, str]] = []
    # A thread that is left behind: no time limit of a request holds for all of its parts.
    asking = threading.Thread(target=lambda: found.extend(_newest()), daemon=True)
    asking.start()
    asking.join(_SECONDS)
    return [(id, said) for id, said in found if id.startswith(incomplete)]


class _NoRedirect(HTTPRedirectHandler):
    """The key is for nobody else."""

    def redirect_request(self, *_: object) -> None:
        return None


def _newest() -> list[tuple[str, str]]:
    try:
        url, key = api_access(None, None)
        if not url.startswith(("http://", "https://")):
            return []
        # Not aiohttp, which takes longer to import than this takes.
        since = (datetime.now(UTC) - _RECENT).strftime("%Y-%m-%dT%H:%M:%SZ")
        request = Request(f"{url}/v1/notifications?per_page={_IDS}&created_after={since}")  # noqa: S310 -- no other scheme
        request.add_header("Authorization", f"Bearer {key}")
        with build_opener(ProxyHandler({}), _NoRedirect).open(request, timeout=_SECONDS) as answer:
            items = json.load(answer)["data"]
        # Zsh evaluates what it is given: nothing but what these can be.
        return [
            (str(UUID(item["id"])), f"{Status(item['status'])} {Channel(item['channel'])}") for item in items
        ]
    except Exception:
        # An error in the middle of a command line helps nobody: the command itself will say it.
        return []
