"""What the benchmarks share: medians, and a report that is printed and kept."""

import platform
import statistics
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

RESULTS = Path(__file__).parent / "results"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    lines = [f"| {' | '.join(header)} |", f"|---|{'---:|' * (len(header) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def milliseconds(seconds: Sequence[float]) -> str:
    """The median, in milliseconds."""
    return f"{statistics.median(seconds) * 1000:.2f}"


def keep(name: str, title: str, *parts: str) -> None:
    """Print the report, and write it to `results/`."""
    where = (
        f"`{' '.join(['python', '-m', f'benchmarks.{name}', *sys.argv[1:]])}`, "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, "
        f"{psutil.cpu_count()} processors, load {psutil.getloadavg()[0]:.1f}."
    )
    text = "\n\n".join([f"# {title}", where, *parts]) + "\n"
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)
