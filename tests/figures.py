"""Tables of what a test run has shown: which peers were asked what, and how many cases of a kind there were.

`--figures=FILE` writes them as Markdown and prints them: `make test-peers`. Tests say what they show by a
marker, `peer(provider=…, peer=…, exercises=…)` or `figure("what its cases are")`, on the test or its module,
and by `record_property("error table", …)`. What did not run, or failed, says so in its row.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

Row = Sequence[object]

ERROR_TABLE = "error table"
"""The property in which a test reports (provider, permanent, of our set-up, transient, unknown)."""

CANARIES = "canaries"
"""The property in which a test reports (payloads, place, paths, canaries, pieces, bytes, found, shown)."""


@dataclass
class Shown:
    """What became of the cases of one row."""

    outcomes: Counter[str] = field(default_factory=Counter)
    examples: int = 0
    reasons: set[str] = field(default_factory=set)

    def result(self) -> str:
        found = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items()))
        return f"{found}: {'; '.join(sorted(self.reasons))}" if self.reasons else found


class Figures:
    """A plugin of pytest that gathers the tables while the tests run, in the order of the tests' names."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._peers: dict[tuple[str, str, str], Shown] = {}
        self._cases: dict[str, Shown] = {}
        self._errors: dict[str, Row] = {}
        self._canaries: dict[tuple[str, str], Row] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        report: pytest.TestReport = yield
        if report.when == "call" or not report.passed:
            if item.get_closest_marker("peer"):
                _note(self._peers.setdefault(peer_row(item), Shown()), report)
            for marker in item.iter_markers("figure"):
                shown = self._cases.setdefault(marker.args[0], Shown())
                _note(shown, report)
                shown.examples += passing_examples(item) or (1 if report.passed else 0)
        for name, value in report.user_properties if report.when == "call" else ():
            if name == ERROR_TABLE and isinstance(value, tuple):
                self._errors[str(value[0])] = value[1:]
            if name == CANARIES and isinstance(value, tuple):
                self._canaries[value[:2]] = value
        return report

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        text = self.markdown()
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(text)
        terminalreporter.section(f"figures, also in {self._file}")
        terminalreporter.write_line(text)

    def markdown(self) -> str:
        """All tables, those without a row left out."""
        peers = [(*row, shown.result()) for row, shown in sorted(self._peers.items())]
        cases = [(what, f"{shown.examples:,}", shown.result()) for what, shown in sorted(self._cases.items())]
        errors = [(name, *kinds, _sum(kinds)) for name, kinds in sorted(self._errors.items())]
        canaries = [
            [f"{cell:,}" if isinstance(cell, int) else cell for cell in row]
            for row in sorted(self._canaries.values(), key=lambda row: str(row[0]), reverse=True)
        ]
        if errors:
            errors.append(("all", *(_sum(column) for column in list(zip(*errors, strict=True))[1:])))
        return "\n".join(
            [
                *_table(("provider", "peer", "exercised", "tests"), peers),
                *_table(("error table", "for good", "our set-up", "passing", "unknown", "rows"), errors),
                *_table(
                    (
                        "payloads",
                        "place",
                        "paths",
                        "canaries",
                        "pieces",
                        "bytes",
                        "found",
                        "shown on purpose",
                    ),
                    canaries,
                ),
                *_table(("cases of", "how many", "tests"), cases),
            ]
        )


def peer_row(item: pytest.Item) -> tuple[str, str, str]:
    """Provider, peer and what is exercised: what the test's marker leaves open, its module's says.

    What is exercised is by default the name of the test.
    """
    said: dict[str, str] = {}
    for marker in item.iter_markers("peer"):
        said = {**marker.kwargs, **said}
    name = getattr(item, "originalname", None) or item.name
    exercises = said.get("exercises") or name.removeprefix("test_").replace("_", " ")
    try:
        return said["provider"], said["peer"], exercises
    except KeyError as missing:
        raise pytest.UsageError(f"{item.nodeid}: its marker `peer` does not name its {missing}") from None


def passing_examples(item: pytest.Item) -> int:
    """How many examples Hypothesis says it has tried in this test, without those it threw away."""
    return sum(map(int, re.findall(r"(\d+) passing\b", getattr(item, "hypothesis_statistics", ""))))


def _note(shown: Shown, report: pytest.TestReport) -> None:
    shown.outcomes[report.outcome] += 1
    if report.skipped and isinstance(report.longrepr, tuple):
        shown.reasons.add(report.longrepr[2].removeprefix("Skipped: "))


def _table(head: Row, rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    return [_line(head), _line(["---"] * len(head)), *map(_line, rows), ""]


def _line(cells: Row) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _sum(numbers: Iterable[object]) -> int:
    return sum(number for number in numbers if isinstance(number, int))
