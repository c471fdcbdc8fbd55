"""What our processes count, for Prometheus. Each has a registry of its own, made where it is composed.

Every label has few values: no tenant, recipient or id is one, and what comes from outside is cut off at a
number of its own.
"""

from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tidings.domain.provider_health import SkippedProvider
from tidings.domain.vocabulary import Channel, Outcome

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_MOST_NAMES = 100
_OTHER = "other"

_SKIPPED = "tidings_provider_skipped"
_SKIPPED_HELP = "1 while the provider is skipped because it keeps failing, else 0."


class _Names:
    """Words from outside: the first hundred are kept, the rest are `other`."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def bounded(self, word: str) -> str:
        """The word, or `other`."""
        if word not in self._known:
            if len(self._known) >= _MOST_NAMES:
                return _OTHER
            self._known.add(word)
        return word


class WorkerMetrics:
    """The worker's, under the port `activities.ports.SendMeter`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._providers, self._codes = _Names(), _Names()
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
        self._misconfigured = Counter(
            "tidings_provider_misconfigured",
            "Attempts whose provider refused our set-up (key, account, sender).",
            ["channel", "provider", "code"],
            registry=registry,
        )
        self._skipped = Gauge(_SKIPPED, _SKIPPED_HELP, ["channel", "provider"], registry=registry)

    def called(self, channel: Channel, provider: str, outcome: Outcome, seconds: float) -> None:
        """A provider was called."""
        name = self._providers.bounded(provider)
        self._attempts.labels(channel.value, name, outcome.value).inc()
        self._seconds.labels(channel.value, name).observe(seconds)

    def misconfigured(self, channel: Channel, provider: str, code: str) -> None:
        """Our set-up of a provider was refused."""
        name = self._providers.bounded(provider)
        self._misconfigured.labels(channel.value, name, self._codes.bounded(code)).inc()

    def skipping(self, channel: Channel, provider: str, *, skipped: bool) -> None:
        """A provider is skipped from now on, or no longer."""
        self._skipped.labels(channel.value, self._providers.bounded(provider)).set(skipped)


class ApiMetrics:
    """The API's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._submissions = Counter(
            "tidings_submissions",
            "Submissions by channel (`none` where it cannot be told) and class of the answer's status.",
            ["channel", "status"],
            registry=registry,
        )
        self._skipped = Gauge(_SKIPPED, _SKIPPED_HELP, ["channel", "provider"], registry=registry)
        self._shown: set[tuple[str, str]] = set()

    def submitted(self, channel: Channel | None, status: int) -> None:
        """A submission was answered."""
        self._submissions.labels(channel.value if channel else "none", f"{status // 100}xx").inc()

    def show_skipped(self, skipped: Collection[SkippedProvider] | None) -> None:
        """Who is skipped now; None: that cannot be known, and nothing is said of anybody."""
        now = {(row.channel.value, row.provider) for row in skipped or ()}
        self._shown = self._shown | now if skipped is not None else set()
        self._skipped.clear()
        for key in self._shown:
            self._skipped.labels(*key).set(key in now)
