"""Where providers are told to send their callbacks."""

from uuid import UUID

from tidings.settings import ProviderSettings

NOTIFICATION_PARAMETER = "notification"
"""The parameter of the address that carries the notification's id, where a provider has no place for it."""


def callback_url(
    settings: ProviderSettings, provider: str, notification_id: UUID | None = None
) -> str | None:
    """The address of a provider's callbacks, for one notification or for all; None without a public URL."""
    if settings.public_url is None:
        return None
    url = f"{settings.public_url.rstrip('/')}/v1/callbacks/{provider}"
    return url if notification_id is None else f"{url}?{NOTIFICATION_PARAMETER}={notification_id}"
