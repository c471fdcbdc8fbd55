"""The providers of this process, by name and channel."""

from tidings.domain.providers import PROVIDERS
from tidings.domain.vocabulary import Channel
from tidings.errors import ProviderMisconfigured
from tidings.providers.apns import ApnsProvider, ApnsSettings
from tidings.providers.fcm import FcmProvider, FcmSettings
from tidings.providers.protocol import Provider
from tidings.providers.sandbox import SandboxProvider
from tidings.providers.sendgrid import SendgridProvider, SendgridSettings
from tidings.providers.ses import SesProvider, SesSettings
from tidings.providers.smtp import SmtpProvider
from tidings.providers.sns import SnsProvider, SnsSettings
from tidings.providers.twilio import TwilioProvider, TwilioSettings
from tidings.providers.webhook import WebhookProvider
from tidings.settings import ProviderSettings


class Providers:
    """Finds the provider that is to send, and closes all of them."""

    def __init__(self, providers: dict[tuple[str, Channel], Provider]) -> None:
        self._providers = providers

    def get(self, name: str, channel: Channel) -> Provider:
        """The provider of that name for that channel. Raises ProviderMisconfigured if there is none."""
        provider = self._providers.get((name, channel))
        if provider is None:
            known = ", ".join(sorted(known for known, serves in self._providers if serves == channel))
            raise ProviderMisconfigured(
                "provider_unknown", f"no provider {name!r} for {channel} here; there is: {known or 'none'}"
            )
        return provider

    async def aclose(self) -> None:
        """Close every provider's connections."""
        for provider in self._providers.values():
            await provider.aclose()


def build_providers(settings: ProviderSettings) -> Providers:
    """Every provider in `tidings.domain.providers`. Raises SetupError on settings that cannot work."""
    return Providers(
        {
            (name, channel): _built(name, channel, settings)
            for channel, names in PROVIDERS.items()
            for name in names
        }
    )


def _built(name: str, channel: Channel, settings: ProviderSettings) -> Provider:
    match name:
        case SmtpProvider.name:
            return SmtpProvider(settings)
        case WebhookProvider.name:
            return WebhookProvider(settings)
        case FcmProvider.name:
            return FcmProvider(settings, FcmSettings.load())
        case ApnsProvider.name:
            return ApnsProvider(settings, ApnsSettings.load())
        case SandboxProvider.name:
            return SandboxProvider(settings, channel)
        case SendgridProvider.name:
            return SendgridProvider(settings, SendgridSettings.load())
        case TwilioProvider.name:
            return TwilioProvider(settings, TwilioSettings.load())
        case SesProvider.name:
            return SesProvider(settings, SesSettings.load())
        case SnsProvider.name:
            return SnsProvider(settings, SnsSettings.load())
    raise LookupError(f"tidings.domain.providers names {name!r}, and no class serves it")
