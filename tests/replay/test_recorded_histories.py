"""What the recorded histories hold: every path through the workflows, nothing of machines and persons."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import History
from temporalio.client import WorkflowHistory

from tests.encryption import CONVERTER
from tests.replay.recorded import HISTORIES, messages_of, name, paths, read, scrubbed
from tests.replay.replaying import WORKFLOWS, replay_in_the_open
from tests.replay.traced_lines import TracedLines
from tidings.domain.vocabulary import Status
from tidings.temporal import names

EVENTS = {
    "WORKFLOW_EXECUTION_STARTED",
    "WORKFLOW_EXECUTION_COMPLETED",
    "WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
    "WORKFLOW_EXECUTION_SIGNALED",
    "WORKFLOW_EXECUTION_CANCEL_REQUESTED",
    "WORKFLOW_TASK_SCHEDULED",
    "WORKFLOW_TASK_STARTED",
    "WORKFLOW_TASK_COMPLETED",
    "ACTIVITY_TASK_SCHEDULED",
    "ACTIVITY_TASK_STARTED",
    "ACTIVITY_TASK_COMPLETED",
    "ACTIVITY_TASK_CANCEL_REQUESTED",
    "ACTIVITY_TASK_CANCELED",
    "START_CHILD_WORKFLOW_EXECUTION_INITIATED",
    "CHILD_WORKFLOW_EXECUTION_STARTED",
    "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
    "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED",
    "EXTERNAL_WORKFLOW_EXECUTION_SIGNALED",
    "TIMER_STARTED",
    "TIMER_FIRED",
    "TIMER_CANCELED",
    "MARKER_RECORDED",
    "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
}
"""What a run can meet, apart from faults of ours (failed workflow tasks, a failed workflow)."""

LARGEST = 1_000_000
"""Bytes of all that the recorder writes; what is kept of released versions comes on top."""

NO_EVENTS = frozenset({"status"})
"""Functions that leave no event: a replay never calls a query."""


@pytest.fixture(scope="module")
def histories() -> dict[str, WorkflowHistory]:
    return {name(path): read(path) for path in paths()}


def _payloads(history: WorkflowHistory) -> Iterator[Payload]:
    for message in messages_of(History(events=history.events)):
        if isinstance(message, Payload):
            yield message


def _statuses(history: WorkflowHistory) -> Iterator[Status]:
    for event in history.events:
        for attributes in (
            event.workflow_execution_started_event_attributes.search_attributes,
            event.upsert_workflow_search_attributes_event_attributes.search_attributes,
        ):
            payload = attributes.indexed_fields.get(names.NOTIFICATION_STATUS.name)
            if payload is not None:
                [status] = CONVERTER.payload_converter.from_payloads([payload], [str])
                yield Status(status)


def test_every_status_is_reached(histories: dict[str, WorkflowHistory]) -> None:
    reached = {status for history in histories.values() for status in _statuses(history)}
    assert reached == set(Status)


def test_every_kind_of_event_occurs(histories: dict[str, WorkflowHistory]) -> None:
    occurring = {
        EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
        for history in histories.values()
        for event in history.events
    }
    assert occurring >= EVENTS


async def test_every_line_of_the_workflows_runs_in_some_history(
    histories: dict[str, WorkflowHistory],
) -> None:
    folders = {Path(inspect.getfile(workflow)).parent for workflow in WORKFLOWS}
    files = {str(path) for folder in folders for path in folder.glob("*.py")}
    lines = TracedLines(files, without=NO_EVENTS)
    with lines.traced():
        await replay_in_the_open(list(histories.values()))
    assert lines.missed == {}, (
        "No history comes there: add a scenario to tests/replay/scenarios, and `make histories`."
    )


@pytest.mark.parametrize("path", paths(), ids=name)
def test_a_history_tells_nothing_of_machines_and_persons(path: Path) -> None:
    history = read(path)
    assert list(scrubbed(history).events) == list(history.events)
    for message in messages_of(History(events=history.events)):
        assert not isinstance(message, Failure) or message.stack_trace == ""
    told = [path.read_text(), *(payload.data.decode() for payload in _payloads(history))]
    for text in told:
        assert not re.search(r"/(home|root|tmp|usr|Users|work)/|[A-Z]:\\\\", text), text
        assert set(re.findall(r"[\w.+-]+@([\w.-]+)", text)) <= {"example.com"}, text


def test_the_histories_are_small() -> None:
    assert sum(path.stat().st_size for path in HISTORIES.glob("*.json")) < LARGEST
