"""The callback readers of this process, by provider."""

from tidings.providers.callbacks.protocol import CallbackReader
from tidings.settings import ProviderSettings


def build_readers(settings: ProviderSettings) -> dict[str, CallbackReader]:
    """A reader for each provider that calls back."""
    return {}
