"""What the API counts, and what it finds out for whoever reads its metrics."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tidings.domain.provider_health import SkippedProvider
from tidings.domain.receipt import ReceiptKind, SuppressionReason
from tidings.domain.vocabulary import Channel, Status
from tidings.metrics.bounded import BoundedWords
from tidings.metrics.shared import skipped_gauge, suppressions_counter

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUEUE = ["task_queue", "type"]


@dataclass(frozen=True, slots=True)
class QueueBacklog:
    """What waits in a task queue, and who asks for it. The age, in seconds, is that of the oldest task."""

    task_queue: str
    type: str
    """`workflow` or `activity`."""
    tasks: int
    age: float
    pollers: int


class ApiMetrics:
    """The API's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._providers = BoundedWords()
        self._submissions = Counter(
            "tidings_submissions",
            "Submissions by channel (`none` where it cannot be told) and class of the answer's status.",
            ["channel", "status"],
            registry=registry,
        )
        self._requests = Histogram(
            "tidings_http_request_duration_seconds",
            "Requests by the template of their path (`none`: no route took it) and class of the status.",
            ["route", "method", "status"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._limited = Counter(
            "tidings_rate_limited",
            "Requests answered 429, by whose limit was used up: key or tenant.",
            ["limit"],
            registry=registry,
        )
        self._start_failures = Counter(
            "tidings_workflow_start_failures",
            "Submissions that Temporal did not take: nothing was promised.",
            registry=registry,
        )
        self._receipts = Counter(
            "tidings_receipts",
            "Receipts in callbacks that were proven genuine, repetitions included.",
            ["provider", "kind"],
            registry=registry,
        )
        self._refused = Counter(
            "tidings_callbacks_refused",
            "Callbacks that were not taken, by why: forged, malformed, unknown_provider or unavailable.",
            ["provider", "reason"],
            registry=registry,
        )
        self._lookups = Counter(
            "tidings_key_cache_lookups",
            "API keys looked up: hit, miss (Postgres was asked), stale or unavailable (it did not answer).",
            ["result"],
            registry=registry,
        )
        self._keys = Gauge("tidings_key_cache_keys", "API keys in memory.", registry=registry)
        self._up = Gauge(
            "tidings_dependency_up",
            "1 if postgres or temporal could be used when the metrics were last gathered, else 0.",
            ["dependency"],
            registry=registry,
        )
        self._tasks = Gauge("tidings_backlog_tasks", "Tasks that wait in a queue.", _QUEUE, registry=registry)
        self._age = Gauge(
            "tidings_backlog_age_seconds", "How long its oldest task has waited.", _QUEUE, registry=registry
        )
        self._pollers = Gauge(
            "tidings_task_queue_pollers", "Workers that lately asked for tasks.", _QUEUE, registry=registry
        )
        self._open = Gauge(
            "tidings_open_notifications",
            "Notifications whose workflow is open, by status; failed and unknown ones wait for a person.",
            ["status"],
            registry=registry,
        )
        self._suppressions = suppressions_counter(registry)
        self._skipped = skipped_gauge(registry)
        self._shown: set[tuple[str, str]] = set()

    def submitted(self, channel: Channel | None, status: int) -> None:
        """A submission was answered."""
        self._submissions.labels(channel.value if channel else "none", _class_of(status)).inc()

    def answered(self, route: str | None, method: str, status: int, seconds: float) -> None:
        """A request was answered. `route`: the template of its path; None if there is none such."""
        known = method if method in _METHODS else "other"
        self._requests.labels(route or "none", known, _class_of(status)).observe(seconds)

    def limited(self, limit: str) -> None:
        """A request was one too many for `key` or `tenant`."""
        self._limited.labels(limit).inc()

    def start_failed(self) -> None:
        """Temporal did not take a submission."""
        self._start_failures.inc()

    def received(self, provider: str, kind: ReceiptKind) -> None:
        """A receipt came."""
        self._receipts.labels(self._providers.bounded(provider), kind.value).inc()

    def refused(self, provider: str | None, reason: str) -> None:
        """A callback was not taken. `provider`: None for a name that no provider of ours has."""
        self._refused.labels(provider or "none", reason).inc()

    def listed(self, reason: SuppressionReason, provider: str) -> None:
        """A receipt has put a recipient on the suppression list."""
        self._suppressions.labels(reason.value, self._providers.bounded(provider)).inc()

    def looked_up(self, result: str) -> None:
        """An API key was looked up: `hit`, `miss`, `stale` or `unavailable`."""
        self._lookups.labels(result).inc()

    def count_keys(self, known: Callable[[], int]) -> None:
        """Where to ask how many keys are in memory."""
        self._keys.set_function(known)

    def show_up(self, dependency: str, *, up: bool) -> None:
        """Whether `postgres` or `temporal` has answered."""
        self._up.labels(dependency).set(up)

    def show_backlogs(self, backlogs: Collection[QueueBacklog] | None) -> None:
        """What waits now; None: that cannot be known, and nothing is said of any queue."""
        for gauge in (self._tasks, self._age, self._pollers):
            gauge.clear()
        for backlog in backlogs or ():
            labels = (backlog.task_queue, backlog.type)
            self._tasks.labels(*labels).set(backlog.tasks)
            self._age.labels(*labels).set(backlog.age)
            self._pollers.labels(*labels).set(backlog.pollers)

    def show_open(self, counts: Mapping[Status, int] | None) -> None:
        """How many notifications are open; None: that cannot be known."""
        self._open.clear()
        for status, count in (counts or {}).items():
            self._open.labels(status.value).set(count)

    def show_skipped(self, skipped: Collection[SkippedProvider] | None) -> None:
        """Who is skipped now; None: that cannot be known, and nothing is said of anybody."""
        now = {(row.channel.value, row.provider) for row in skipped or ()}
        self._shown = self._shown | now if skipped is not None else set()
        self._skipped.clear()
        for key in self._shown:
            self._skipped.labels(*key).set(key in now)


def _class_of(status: int) -> str:
    return f"{status // 100}xx"
