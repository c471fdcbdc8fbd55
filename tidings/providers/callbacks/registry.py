"""The callback readers of this process, by the provider's name."""

from tidings.providers.callbacks.protocol import CallbackReader
from tidings.providers.callbacks.sendgrid import SendgridCallbacks
from tidings.providers.callbacks.ses import SesCallbacks
from tidings.providers.callbacks.twilio import TwilioCallbacks
from tidings.settings import ProviderSettings

READERS = (TwilioCallbacks, SendgridCallbacks, SesCallbacks)


def build_readers(settings: ProviderSettings) -> dict[str, CallbackReader]:
    """Every reader, with its own settings from the environment. Calls nobody.

    Raises SetupError on settings that cannot work. A reader whose key is not set is built all the same: its
    `read` raises ForgedCallback, which names the setting.
    """
    return {reader.name: reader for reader in (kind.build(settings) for kind in READERS)}
