"""Which providers serve which channel, and in what order unless a setting says otherwise."""

from tidings.domain.vocabulary import Channel

PROVIDERS: dict[Channel, tuple[str, ...]] = {
    Channel.EMAIL: ("smtp",),
    Channel.SMS: ("sandbox",),
    Channel.PUSH: ("sandbox", "fcm", "apns"),
    Channel.WEBHOOK: ("webhook",),
}

NOTIFICATION_HEADER = "X-Tidings-Notification"
"""The mail header that carries the notification's id."""
