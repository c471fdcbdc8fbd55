"""Which providers serve which channel: the first unless a notification pins another."""

from tidings.domain.vocabulary import Channel

PROVIDERS: dict[Channel, tuple[str, ...]] = {
    Channel.EMAIL: ("smtp", "sendgrid", "ses"),
    Channel.SMS: ("sandbox", "twilio", "sns"),
    Channel.PUSH: ("sandbox", "fcm", "apns"),
    Channel.WEBHOOK: ("webhook",),
}

NOTIFICATION_HEADER = "X-Tidings-Notification"
"""The mail header that carries the notification's id."""
