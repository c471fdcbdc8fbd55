"""What a shell offers where a value is due. Each press of the key is a process: nothing slow is imported.

Functions take the parameter `incomplete`, by whose name typer knows what they want.
"""

import threading
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points

from tidings.cli.signals import CANCELLABLE, RETRYABLE
from tidings.domain.providers import BUILT_IN
from tidings.domain.vocabulary import Channel, Guarantee, KeyMode, Priority, Status

_SECONDS = 0.8
"""Nobody waits longer for ids: then there are none to offer."""

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
    # Not at the top: every command would wait for what it imports.
    from tidings.cli.recent import newest

    found: list[tuple[str, str]] = []
    # A thread that is left behind: no time limit of a request holds for all of its parts.
    asking = threading.Thread(target=lambda: found.extend(newest(_SECONDS)), daemon=True)
    asking.start()
    asking.join(_SECONDS)
    return [(id, said) for id, said in found if id.startswith(incomplete)]
