"""Every recorded history replays with the workflows as they are now, and one that does not gives advice."""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import workflows
from tests.replay import mutants
from tests.replay.recorded import HISTORIES, name, paths, read
from tests.replay.replaying import WORKFLOWS, DoesNotReplay, replay
from tests.replay.scenarios import SCENARIOS

SENT_AT_ONCE = HISTORIES / "sent_at_once.json"


@pytest.mark.parametrize("path", paths(), ids=name)
async def test_a_history_replays(path: Path) -> None:
    await replay(name(path), read(path))


def test_every_workflow_is_replayed() -> None:
    modules = [import_module(f"workflows.{found.name}") for found in iter_modules(workflows.__path__)]
    defined = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and hasattr(value, "__temporal_workflow_definition")
    }
    assert defined == set(WORKFLOWS)


def test_every_scenario_has_a_history() -> None:
    missing = SCENARIOS.keys() - {path.stem for path in HISTORIES.glob("*.json")}
    assert not missing, f'Record what is missing: make histories ARGS="{" ".join(sorted(missing))}"'


def test_every_history_has_a_scenario() -> None:
    left = {path.stem for path in HISTORIES.glob("*.json")} - SCENARIOS.keys()
    assert not left, (
        f"Nothing records these any more: {', '.join(sorted(left))}. Delete them, or, if a released version "
        "has written such histories, move them to a folder of their own below tests/replay/histories."
    )


@pytest.mark.parametrize(
    ("mutant", "complaint"),
    [
        (mutants.PausesFirst, "Nondeterminism error: Missing associated machine"),
        (mutants.RecordsTheEnd, "Nondeterminism error: Activity machine"),
        (mutants.EndsAtOnce, "Nondeterminism error: Missing associated machine"),
        (mutants.AsksForAnotherField, "campaign\n    Field required"),
    ],
    ids=["a timer more", "an activity more", "all activities less", "a field more"],
)
async def test_an_unguarded_change_fails_with_advice(mutant: type, complaint: str) -> None:
    with pytest.raises(DoesNotReplay) as failure:
        await replay("sent_at_once", read(SENT_AT_ONCE), [mutant])
    advice = str(failure.value)
    assert '"sent_at_once"' in advice
    assert complaint in advice
    assert 'workflow.patched("' in advice
    assert "worker deployment version" in advice
    assert "make histories" in advice
    assert "docs/workflow-changes.md" in advice


async def test_a_guarded_change_replays() -> None:
    await replay("sent_at_once", read(SENT_AT_ONCE), [mutants.PausesFirstIfNew])
