"""Recorded histories as files: where they are, and what is taken out of them before they are kept."""

import json
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import Message
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import History
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.client import WorkflowHistory

HISTORIES = Path(__file__).with_name("histories")
"""`<scenario>.json` by `make histories`; in folders of their own, what released versions have written."""

_OF_THIS_MACHINE = {"identity": "worker", "build_id": "", "binary_checksum": "", "worker_instance_key": ""}


def paths() -> list[Path]:
    """The files of all histories that are to replay."""
    return sorted(HISTORIES.rglob("*.json"))


def name(path: Path) -> str:
    """What a history is called: its path below the folder of all, without the ending."""
    return path.relative_to(HISTORIES).with_suffix("").as_posix()


def read(path: Path) -> WorkflowHistory:
    """A history as it was recorded."""
    document = json.loads(path.read_text())
    return WorkflowHistory.from_json(document["workflowId"], document)


def write(path: Path, history: WorkflowHistory) -> None:
    """Keep a history, without what tells of the machine that recorded it."""
    document = {"workflowId": history.workflow_id, **scrubbed(history).to_json_dict()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def scrubbed(history: WorkflowHistory) -> WorkflowHistory:
    """A copy without identities, build ids, host names in task queues, and stack traces."""
    copy = History()
    copy.events.extend(history.events)
    for message in messages_of(copy):
        _scrub(message)
    return WorkflowHistory(history.workflow_id, list(copy.events))


def messages_of(message: Message) -> Iterator[Message]:
    """The message and all those within it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            within = [item for item in value.values() if isinstance(item, Message)]
        else:
            within = list(value) if field.is_repeated else [value]
        for inner in within:
            yield from messages_of(inner)


def _scrub(message: Message) -> None:
    for field, _ in message.ListFields():
        if field.name in _OF_THIS_MACHINE:
            setattr(message, field.name, _OF_THIS_MACHINE[field.name])
    if isinstance(message, Failure):
        message.stack_trace = ""
    if isinstance(message, TaskQueue) and message.normal_name:
        # A sticky queue: its own name is the worker's host and process.
        message.name = f"worker-{message.normal_name}"
