"""What documents say in figures is what the code does."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from tidings.domain.providers import BUILT_IN
from tidings.domain.vocabulary import Channel
from tidings.settings import DeliverySettings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LIFECYCLE = DOCS / "lifecycle.md"


def spelled(seconds: float) -> str:
    """`4375` as `1 h 12 min 55 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


@pytest.mark.parametrize("channel", Channel)
def test_the_retry_schedules_are_those_of_the_settings(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(f"TIDINGS_RETRY_{channel.upper()}", raising=False)
    schedule = DeliverySettings(_env_file=None).retry_schedule(channel)
    made = range(1, schedule.attempts)
    waits = [wait for wait in (schedule.delay_after(count, 0.5) for count in made) if wait is not None]
    figures = [
        schedule.attempts,
        *map(round, (schedule.first, schedule.factor, schedule.cap)),
        schedule.jitter,
    ]
    total = spelled(timedelta(seconds=sum(waits)).total_seconds())
    cells = [channel, *map(str, figures), ", ".join(map(spelled, waits)), total]
    assert f"| {' | '.join(cells)} |" in LIFECYCLE.read_text()


@pytest.mark.parametrize("channel", Channel)
def test_the_providers_of_a_channel_are_those_of_the_table(channel: Channel) -> None:
    names = [entry.name for entry in BUILT_IN if channel in entry.channels and not entry.test_only]
    pages = {name: f"[`{name}`](providers/{name}.md)" for name in names}
    cells = [f"`{channel}`", ", ".join(pages[name] for name in names)]
    assert f"| {' | '.join([*cells, f'`{names[0]}`'])} |" in (DOCS / "providers.md").read_text()
    assert all((DOCS / "providers" / f"{name}.md").is_file() for name in names)


def anchors(page: Path) -> set[str]:
    """What GitHub names the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_our_own_pages_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_names_every_page() -> None:
    readme = (ROOT / "README.md").read_text()
    pages = [*DOCS.glob("*.md"), DOCS / "decisions"]
    assert [page.name for page in sorted(pages) if f"(docs/{page.name}" not in readme] == []


def test_what_the_incident_shows_was_printed() -> None:
    """docs/incident.md is cut from the transcript that `make incident` writes, in its order."""
    printed = iter((DOCS / "incident-transcript.txt").read_text().splitlines())
    blocks = re.findall(r"^```\n(.*?)^```$", (DOCS / "incident.md").read_text(), re.DOTALL | re.MULTILINE)
    shown = [line for block in blocks for line in block.splitlines() if line not in ("", "…")]
    assert len(shown) > 20
    # `in` moves the iterator on: what comes later here has to come later there.
    assert [line for line in shown if line not in printed] == []
