"""The providers of this process, by name and channel: each entry of the catalogue, built."""

from importlib.metadata import EntryPoint
from typing import Protocol

import structlog

from tidings.domain.providers import ProviderEntry
from tidings.domain.vocabulary import Channel
from tidings.errors import ProviderMisconfigured, SetupError
from tidings.provider_catalogue import GROUP, Catalogue, catalogue, one_line
from tidings.providers.protocol import Provider
from tidings.settings import ProviderSettings

log = structlog.get_logger(__name__)


class ProviderClass(Protocol):
    """What an entry of `tidings.domain.providers.BUILT_IN` and an entry point of a package name.

    A package's class also has `channels`, a tuple of Channel; of our own, the table says them.
    """

    name: str

    def build(self, settings: ProviderSettings) -> Provider:
        """A provider that reads its own settings from the environment. Calls nobody.

        Raises SetupError on settings that cannot work. A provider that nobody has set up is built all the
        same, for a system may never use it: its `send` raises ProviderMisconfigured.
        """
        ...


class Providers:
    """Finds the provider that is to send, and closes all of them."""

    def __init__(self, providers: dict[ProviderEntry, Provider]) -> None:
        self._providers = providers

    def get(self, name: str, channel: Channel) -> Provider:
        """The provider of that name for that channel. Raises ProviderMisconfigured if there is none."""
        known = {entry.name: built for entry, built in self._providers.items() if channel in entry.channels}
        if name not in known:
            raise ProviderMisconfigured(
                "provider_unknown",
                f"no provider {name!r} for {channel} here; there is: {', '.join(sorted(known)) or 'none'}",
            )
        return known[name]

    async def aclose(self) -> None:
        """Close every provider's connections; what one raises keeps no other from it."""
        for entry, provider in self._providers.items():
            try:
                await provider.aclose()
            except Exception:
                log.exception("provider_not_closed", provider=entry.name)


def build_providers(settings: ProviderSettings, known: Catalogue | None = None) -> Providers:
    """Every provider of the catalogue, by default this installation's.

    Raises SetupError on settings that cannot work and on a package's provider that is none.
    """
    known = known or catalogue()
    if known.faults:
        faults = "; ".join(fault.text for fault in known.faults)
        raise SetupError(f"Installed packages bring what cannot be used: {faults}. Mend or uninstall them.")
    return Providers({entry: build_provider(entry, settings) for entry in known.entries})


def build_provider(entry: ProviderEntry, settings: ProviderSettings) -> Provider:
    """One provider, with its own settings read from the environment. Raises SetupError."""
    try:
        found: ProviderClass = EntryPoint(entry.name, entry.target, GROUP).load()
        provider = found.build(settings)
    except Exception as error:
        if isinstance(error, SetupError) or entry.package is None:
            raise
        raise SetupError(
            f"Provider {entry.name!r} of {entry.package} cannot be built: {one_line(error)}."
        ) from error
    if entry.package is not None and not all(hasattr(provider, needed) for needed in ("send", "aclose")):
        raise SetupError(
            f"Provider {entry.name!r} of {entry.package} builds what has no `send` and `aclose`."
        )
    return provider
