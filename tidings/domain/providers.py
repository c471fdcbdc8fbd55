"""The providers that come with Tidings, one line each, and which channels they serve."""

from dataclasses import dataclass

from tidings.domain.vocabulary import Channel


@dataclass(frozen=True, slots=True)
class ProviderEntry:
    """One provider by name. `target` is its class, `module:attribute`; it is imported where it is built.

    `package` is the installed package that brings it, name and version; None: it comes with Tidings.
    """

    name: str
    target: str
    channels: tuple[Channel, ...]
    package: str | None = None
    test_only: bool = False
    """Not for live notifications: neither they nor a route can name it."""


BUILT_IN = (
    ProviderEntry("smtp", "tidings.providers.smtp:SmtpProvider", (Channel.EMAIL,)),
    ProviderEntry("webhook", "tidings.providers.webhook:WebhookProvider", (Channel.WEBHOOK,)),
    ProviderEntry("sendgrid", "tidings.providers.sendgrid:SendgridProvider", (Channel.EMAIL,)),
    ProviderEntry("twilio", "tidings.providers.twilio:TwilioProvider", (Channel.SMS,)),
    ProviderEntry("fcm", "tidings.providers.fcm:FcmProvider", (Channel.PUSH,)),
    ProviderEntry("apns", "tidings.providers.apns:ApnsProvider", (Channel.PUSH,)),
    ProviderEntry("webpush", "tidings.providers.webpush:WebpushProvider", (Channel.PUSH,)),
    ProviderEntry("apprise", "tidings.providers.apprise:AppriseProvider", (Channel.CHAT,)),
    ProviderEntry("ses", "tidings.providers.ses:SesProvider", (Channel.EMAIL,)),
    ProviderEntry("sns", "tidings.providers.sns:SnsProvider", (Channel.SMS,)),
    ProviderEntry("sandbox", "tidings.providers.sandbox:SandboxProvider", tuple(Channel), test_only=True),
)
"""The first of a channel is its default route."""

NOTIFICATION_HEADER = "X-Tidings-Notification"
"""The mail header that carries the notification's id."""
