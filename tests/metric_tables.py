"""The tables of docs/metrics.md, and what the code says that should stand there."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from tidings.metrics import ApiMetrics, WorkerMetrics, show_pool

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
_SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}


class _NoPool:
    most = waiting = 0

    def checkedin(self) -> int:
        return 0

    def checkedout(self) -> int:
        return 0


def rows() -> dict[str, list[str]]:
    """For `API` and `worker` the rows of their table, by the code."""
    api, worker = CollectorRegistry(), CollectorRegistry()
    for registry, metrics in ((api, ApiMetrics), (worker, WorkerMetrics)):
        metrics(registry)
        show_pool(registry, _NoPool)
    return {"API": [*_rows(api)], "worker": [*_rows(worker)]}


def documented() -> dict[str, set[str]]:
    """Every series that the page promises, with its labels."""
    found: dict[str, set[str]] = {}
    pattern = r"^\| `(tidings_\w+)` \| (counter|gauge|histogram) \| (.*?) \|"
    for name, kind, labels in re.findall(pattern, PAGE.read_text(), re.MULTILINE):
        for suffix in _SUFFIXES[kind]:
            found[name.removesuffix("_total") + suffix] = set(re.findall(r"`(\w+)`", labels))
    return found


def _rows(registry: CollectorRegistry) -> list[str]:
    made = []
    for metric in registry._collector_to_names:
        assert isinstance(metric, MetricWrapperBase)
        name = metric._name + ("_total" if metric._type == "counter" else "")
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        made.append(f"| `{name}` | {metric._type} | {labels} | {metric._documentation} |")
    return made
