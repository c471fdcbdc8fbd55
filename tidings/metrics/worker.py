"""What the worker counts."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from tidings.domain.receipt import SuppressionReason
from tidings.domain.vocabulary import Channel, Outcome, Status
from tidings.metrics.bounded import BoundedWords
from tidings.metrics.shared import skipped_gauge, suppressions_counter

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SECONDS_TO_PROVIDER = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 10_800, 43_200)
"""Up to half a day: the retry schedules wait for hours."""


class WorkerMetrics:
    """The worker's, under the ports `activities.ports.SendMeter` and `RecordMeter`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._providers, self._codes = BoundedWords(), BoundedWords()
        self._attempts = Counter(
            "tidings_attempts",
            "Attempts that called their provider, by what became of them.",
            ["channel", "provider", "outcome"],
            registry=registry,
        )
        self._seconds = Histogram(
            "tidings_send_seconds",
            "How long a provider took to take or refuse a message.",
            ["channel", "provider"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._reached = Histogram(
            "tidings_acceptance_to_provider_seconds",
            "From the acceptance of a notification, or its send_at, until a provider accepted it; once each.",
            ["channel"],
            buckets=_SECONDS_TO_PROVIDER,
            registry=registry,
        )
        self._retries = Counter(
            "tidings_retries",
            "Attempts after a notification's first, by what called for them: schedule or hand.",
            ["channel", "provider", "cause"],
            registry=registry,
        )
        self._unknown = Counter(
            "tidings_unknown",
            "Attempts of which nobody knows whether the message went out, by the reason.",
            ["channel", "provider", "code"],
            registry=registry,
        )
        self._misconfigured = Counter(
            "tidings_provider_misconfigured",
            "Attempts whose provider refused our set-up (key, account, sender).",
            ["channel", "provider", "code"],
            registry=registry,
        )
        self._ended = Counter(
            "tidings_notifications_ended",
            "Notifications that a worker brought to a final status; those of test keys too.",
            ["status"],
            registry=registry,
        )
        self._suppressed = Counter(
            "tidings_suppressed",
            "Notifications that were not sent because their recipient is on the suppression list.",
            ["channel", "reason"],
            registry=registry,
        )
        self._suppressions = suppressions_counter(registry)
        self._skipped = skipped_gauge(registry)

    def called(self, channel: Channel, provider: str, outcome: Outcome, seconds: float) -> None:
        """A provider was called."""
        name = self._providers.bounded(provider)
        self._attempts.labels(channel.value, name, outcome.value).inc()
        self._seconds.labels(channel.value, name).observe(seconds)

    def retried(self, channel: Channel, provider: str, *, by_hand: bool) -> None:
        """An attempt that was not the first has ended."""
        cause = "hand" if by_hand else "schedule"
        self._retries.labels(channel.value, self._providers.bounded(provider), cause).inc()

    def reached(self, channel: Channel, seconds: float) -> None:
        """A provider accepted the notification, so long after it was due."""
        self._reached.labels(channel.value).observe(max(0.0, seconds))

    def in_doubt(self, channel: Channel, provider: str, code: str) -> None:
        """Nobody knows whether an attempt's message went out."""
        name = self._providers.bounded(provider)
        self._unknown.labels(channel.value, name, self._codes.bounded(code)).inc()

    def misconfigured(self, channel: Channel, provider: str, code: str) -> None:
        """Our set-up of a provider was refused."""
        name = self._providers.bounded(provider)
        self._misconfigured.labels(channel.value, name, self._codes.bounded(code)).inc()

    def skipping(self, channel: Channel, provider: str, *, skipped: bool) -> None:
        """A provider is skipped from now on, or no longer."""
        self._skipped.labels(channel.value, self._providers.bounded(provider)).set(skipped)

    def ended(self, status: Status) -> None:
        """A notification has come to a final status."""
        self._ended.labels(status.value).inc()

    def suppressed(self, channel: Channel, reason: SuppressionReason) -> None:
        """A notification met the suppression list."""
        self._suppressed.labels(channel.value, reason.value).inc()

    def listed(self, reason: SuppressionReason, provider: str) -> None:
        """A recipient was put on the list."""
        self._suppressions.labels(reason.value, self._providers.bounded(provider)).inc()
