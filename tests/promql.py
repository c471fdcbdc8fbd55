"""The queries of our alerts and of our dashboard, and which metrics and labels they name."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml

ROOT = Path(__file__).parents[1]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "tidings.json"

BY_PROMETHEUS = frozenset({"job", "instance", "le"})
"""Labels that no process of ours has to give."""

COUNTED_ONCE_TASKS_FAIL: Mapping[str, frozenset[str]] = {
    "temporal_workflow_task_execution_failed_total": frozenset(
        {"namespace", "task_queue", "workflow_type", "failure_reason"}
    ),
    "temporal_activity_execution_failed_total": frozenset(
        {"namespace", "task_queue", "workflow_type", "activity_type", "failure_reason"}
    ),
}
"""The SDK's metrics that a worker has only after it could not carry a task out, with their labels."""


@dataclass(frozen=True)
class Selector:
    """A metric that a query reads, and the labels by which it picks series of it."""

    metric: str
    labels: frozenset[str]


def alerts() -> list[dict[str, Any]]:
    """All alert rules."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """All panels of the dashboard."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def queries() -> dict[str, str]:
    """Every query by who asks it, as Prometheus gets it."""
    found = {rule["alert"]: rule["expr"] for rule in alerts()}
    for panel in panels():
        for target in panel.get("targets", []):
            asked_by = f"{panel['title']} {target['refId']}"
            found[asked_by] = target["expr"].replace("$__rate_interval", "1m")
    return found


def selectors(query: str) -> list[Selector]:
    """What it reads. Raises ValueError if Prometheus would not understand it."""
    return list(_selectors(promql_parser.parse(query)))


def grouping_labels(query: str) -> set[str]:
    """The labels that it groups or matches by."""
    promql_parser.parse(query)
    lists = re.findall(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", query)
    return {label.strip() for names in lists for label in names.split(",") if label.strip()}


def _selectors(node: Any) -> Iterator[Selector]:
    if isinstance(node, promql_parser.VectorSelector):
        names = frozenset(matcher.name for matcher in node.matchers.matchers)
        yield Selector(node.name or "", names)
        return
    children = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "vector_selector")]
    for child in [*children, *(getattr(node, "args", None) or [])]:
        if child is not None:
            yield from _selectors(child)
