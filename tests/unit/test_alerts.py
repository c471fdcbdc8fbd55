"""Alerts, dashboard, runbook and the page of metrics say what the code does, and one another's names."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.metric_tables import PAGE, documented, rows
from tests.promql import DASHBOARD, alerts, panels, queries, selectors

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "docs" / "runbook.md"


@pytest.mark.parametrize("asked_by", sorted(queries()))
def test_every_query_is_one_and_reads_a_metric(asked_by: str) -> None:
    assert selectors(queries()[asked_by])


@pytest.mark.parametrize("asked_by", sorted(queries()))
def test_our_metrics_in_a_query_are_documented(asked_by: str) -> None:
    for selector in selectors(queries()[asked_by]):
        assert not selector.metric.startswith("tidings_") or selector.metric in documented()


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_every_alert_says_how_bad_it_is_and_has_its_section_in_the_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    notes = rule["annotations"]
    assert notes["summary"]
    assert notes["description"]
    assert notes["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
    sections = re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE)
    [section] = [section for section in sections if section.startswith(f"{rule['alert']}\n")]
    for part in ("**Means**", "**Look**", "**Do**", "**Over when**"):
        assert section.count(part) == 1, part


def test_the_runbook_explains_no_alert_that_is_gone() -> None:
    explained = re.findall(r"^## (Tidings\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert explained == [rule["alert"] for rule in alerts()]


def test_the_runbook_links_to_sections_of_its_own() -> None:
    text = RUNBOOK.read_text()
    sections = {section.lower() for section in re.findall(r"^## (\w+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= sections


def test_every_alert_is_shown_firing_in_the_unit_tests_of_the_rules() -> None:
    tests = (ROOT / "deploy" / "prometheus" / "tests.yml").read_text()
    fires = re.findall(r"alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:", tests)
    assert set(fires) == {rule["alert"] for rule in alerts()}


def test_the_dashboard_can_be_imported_anywhere() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    assert len({panel["title"] for panel in panels()}) == len(ids)
    for panel in panels():
        if panel["type"] == "row":
            continue
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    text = DASHBOARD.read_text()
    assert '"type": "datasource"' in text
    assert "http" not in re.sub(r"tidings_http_\w+", "", text)


def test_no_panel_lies_upon_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        covered = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not covered & taken, panel["title"]
        taken |= covered


@pytest.mark.parametrize("process", ["API", "worker"])
def test_the_page_of_metrics_is_what_the_code_counts(process: str) -> None:
    page = PAGE.read_text()
    for row in rows()[process]:
        assert row in page


def test_the_page_of_metrics_has_none_that_is_gone() -> None:
    shown = re.findall(r"^\| `tidings_\w+` \|.*$", PAGE.read_text(), re.MULTILINE)
    assert set(shown) == {row for table in rows().values() for row in table}
