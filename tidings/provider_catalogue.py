"""Which providers there are: Tidings' own, and those of installed packages.

A package brings a provider by an entry point of the group `tidings.providers`, `name = "module:Class"`; the
class says by `channels` what it serves (docs/adding-a-provider.md). What is wrong with one is kept as a
fault: the API goes on without that provider, the worker does not start.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from tidings.domain.providers import BUILT_IN, ProviderEntry
from tidings.domain.vocabulary import Channel, KeyMode

GROUP = "tidings.providers"

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")


@dataclass(frozen=True, slots=True)
class EntryFault:
    """An entry point that cannot be used; `text` is one line that names its package and the cause."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The providers, by name, and the entry points that are none."""

    entries: tuple[ProviderEntry, ...]
    faults: tuple[EntryFault, ...] = ()

    def names(self, channel: Channel, mode: KeyMode = KeyMode.LIVE) -> list[str]:
        """The channel's providers for notifications of that mode; the first is its default route."""
        return [
            entry.name
            for entry in self.entries
            if channel in entry.channels and (mode is KeyMode.TEST or not entry.test_only)
        ]

    def unknown(self, name: str, channel: Channel) -> str | None:
        """None if that provider serves the channel's live notifications, else what to say of it."""
        known = self.names(channel)
        if name in known:
            return None
        if name in self.names(channel, KeyMode.TEST):
            return f"that is for test keys alone; there is {', '.join(known)}"
        faults = [fault.text for fault in self.faults if fault.name == name]
        return faults[0] if faults else f"there is {', '.join(known)}"


@cache
def catalogue() -> Catalogue:
    """The providers of this installation, looked up once a process. Imports the packages' modules."""
    return collected(BUILT_IN, entry_points(group=GROUP))


def collected(built_in: Iterable[ProviderEntry], points: Iterable[EntryPoint]) -> Catalogue:
    """The built-in providers, then those of packages by name; a name that is taken is a fault."""
    entries = {entry.name: entry for entry in built_in}
    faults: list[EntryFault] = []
    for point in sorted(points, key=lambda point: (point.name, point.value)):
        try:
            taken = entries.get(point.name)
            if taken is not None:
                raise _Unusable(f"the name is taken by {taken.package or 'Tidings itself'}")
            entries[point.name] = _entry(point)
        except _Unusable as fault:
            where = f"provider {point.name!r} of {_package(point)} ({point.value})"
            faults.append(EntryFault(point.name, f"{where}: {fault}"))
    return Catalogue(tuple(entries.values()), tuple(faults))


class _Unusable(Exception):
    """Why an entry point gives no provider."""


def _entry(point: EntryPoint) -> ProviderEntry:
    if not _NAME.fullmatch(point.name):
        raise _Unusable("a name is at most 50 of a-z, 0-9, - and _, and begins with a letter")
    try:
        provider = point.load()
    # A package's own code runs here, and nothing of it may end this process.
    except (Exception, SystemExit) as error:
        raise _Unusable(f"cannot be imported: {one_line(error)}") from error
    for needed in ("name", "channels", "build"):
        if not hasattr(provider, needed):
            raise _Unusable(f"has no `{needed}`")
    if provider.name != point.name:
        raise _Unusable(f"calls itself {provider.name!r}")
    try:
        channels = tuple(Channel(channel) for channel in provider.channels)
    except (TypeError, ValueError) as error:
        raise _Unusable(f"`channels` must be of {', '.join(Channel)}: {one_line(error)}") from error
    if not channels:
        raise _Unusable("serves no channel")
    return ProviderEntry(point.name, point.value, channels, _package(point))


def one_line(error: BaseException) -> str:
    """Kind and text of an error, without line breaks."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown package"
