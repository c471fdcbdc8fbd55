"""The providers of this process, by name and channel: each entry of the catalogue, built."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint
from typing import Protocol

import structlog

from tidings.domain.providers import ProviderEntry
from tidings.domain.vocabulary import Channel
from tidings.errors import ProviderMisconfigured, SetupError
from tidings.provider_catalogue import GROUP, Catalogue, catalogue, one_line
from tidings.providers.protocol import NeedsSettings, Provider
from tidings.providers.sandbox import SandboxProvider
from tidings.settings import ProviderSettings

log = structlog.get_logger(__name__)


class ProviderClass(Protocol):
    """What an entry of `tidings.domain.providers.BUILT_IN` and an entry point of a package name.

    A package's class also has `channels`, a tuple of Channel; of our own, the table says them. It may
    have a class method `sandboxed(settings)` as well, which builds a provider that sends to the sandbox.
    """

    name: str

    def build(self, settings: ProviderSettings) -> Provider:
        """A provider that reads its own settings from the environment. Calls nobody.

        Raises SetupError on settings that cannot work. A provider that nobody has set up is built all the
        same, for a system may never use it: its `send` raises ProviderMisconfigured.
        """
        ...


class Providers:
    """Finds the provider that is to send, and closes all of them.

    `stand_ins`, if there are any, take the place of those that are not set up.
    """

    def __init__(
        self, providers: dict[ProviderEntry, Provider], stand_ins: "SandboxedProviders | None" = None
    ) -> None:
        self._providers = providers
        self._stand_ins = stand_ins

    def get(self, name: str, channel: Channel) -> Provider:
        """The provider of that name for that channel. Raises ProviderMisconfigured if there is none."""
        provider = self._providers[find(self._providers, name, channel)]
        if self._stand_ins is not None and lacks(provider) is not None:
            return self._stand_ins.get(name, channel)
        return provider

    async def aclose(self) -> None:
        """Close every provider's connections; what one raises keeps no other from it."""
        for entry, provider in self._providers.items():
            try:
                await provider.aclose()
            except Exception:
                log.exception("provider_not_closed", provider=entry.name)


class SandboxedProviders:
    """The same providers with the sandbox for a vendor: for test keys. Nothing of theirs leads elsewhere.

    One is built when it is first asked for: a system may never use it, and keys that it signs with take time.
    """

    def __init__(self, settings: ProviderSettings, known: Catalogue | None = None) -> None:
        # A package's provider may read these: it has no use for credentials here.
        self._settings = settings.model_copy(
            update={
                "smtp_username": None,
                "smtp_password": None,
                "webhook_secret": None,
                "public_url": settings.sandbox_callback_url or settings.public_url,
            }
        )
        self._known = known or catalogue()
        self._built: dict[ProviderEntry, Provider] = {}

    def get(self, name: str, channel: Channel) -> Provider:
        """The provider of that name for that channel. Raises ProviderMisconfigured if there is none."""
        entry = find(self._known.entries, name, channel)
        if entry not in self._built:
            self._built[entry] = self._build(entry)
        return self._built[entry]

    async def aclose(self) -> None:
        """Close every provider's connections."""
        await Providers(self._built).aclose()

    def _build(self, entry: ProviderEntry) -> Provider:
        """The provider for the sandbox; the plain sink where it cannot speak to the sandbox itself."""
        try:
            build = getattr(EntryPoint(entry.name, entry.target, GROUP).load(), "sandboxed", None)
            provider: Provider | None = build(self._settings) if build else None
        except Exception as error:
            # An extra that is not installed, a key that is none: what is tried out is not held up by it.
            log.info("sandboxed_by_sink", provider=entry.name, reason=one_line(error))
            provider = None
        return SandboxProvider(self._settings) if provider is None or lacks(provider) else provider


def find(entries: Iterable[ProviderEntry], name: str, channel: Channel) -> ProviderEntry:
    """The entry of that name for that channel. Raises ProviderMisconfigured if there is none."""
    known = {entry.name: entry for entry in entries if channel in entry.channels}
    if name not in known:
        raise ProviderMisconfigured(
            "provider_unknown",
            f"no provider {name!r} for {channel} here; there is: {', '.join(sorted(known)) or 'none'}",
        )
    return known[name]


def lacks(provider: Provider) -> str | None:
    """What keeps a provider from sending: a setting, or what is to be installed; None if it is set up."""
    return provider.missing if isinstance(provider, NeedsSettings) else None


def build_providers(
    settings: ProviderSettings,
    known: Catalogue | None = None,
    stand_ins: SandboxedProviders | None = None,
) -> Providers:
    """Every provider of the catalogue for live notifications, by default this installation's.

    Raises SetupError on settings that cannot work and on a package's provider that is none.
    """
    known = known or catalogue()
    if known.faults:
        faults = "; ".join(fault.text for fault in known.faults)
        raise SetupError(f"Installed packages bring what cannot be used: {faults}. Mend or uninstall them.")
    live = [entry for entry in known.entries if not entry.test_only]
    return Providers({entry: build_provider(entry, settings) for entry in live}, stand_ins)


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
