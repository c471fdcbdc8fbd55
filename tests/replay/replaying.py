"""Replaying a recorded history, with advice for whoever has changed a workflow so that it does not."""

import re
import textwrap
from collections.abc import Sequence

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from workflows.deliver_notification import DeliverNotification
from workflows.fire_schedule import FireSchedule
from workflows.record_receipt import RecordReceipt

WORKFLOWS: list[type] = [DeliverNotification, FireSchedule, RecordReceipt]
"""All workflows that a worker runs."""

ADVICE = """\
The history "{name}" does not replay: a run that has come this far cannot go on with the changed workflow.

{error}

Runs stay open for up to a year (`send_at`): those that are open now will meet the changed code. What to do:

  1. Guard the change: `if workflow.patched("what-changes"):` goes the new way, `else:` the old one.
     Where a message cannot be decoded, give its new field a default.
  2. For a workflow that ends within minutes, a new worker deployment version does instead: workers of the
     old version finish the old runs.
  3. Only if no released version has ever written such a history, record it anew: make histories

How to change a workflow safely, on one screen: docs/workflow-changes.md
"""

_SAID = re.compile(r'message: "((?:[^"\\]|\\.)*)"')
"""What the SDK's core says in words, within its rendering of a failure."""


class DoesNotReplay(AssertionError):
    """A history does not replay. Its message is the advice."""


async def replay(name: str, history: WorkflowHistory, workflows: Sequence[type] = tuple(WORKFLOWS)) -> None:
    """Replay a history with these workflows. Raises DoesNotReplay."""
    replayer = _replayer(workflows, SandboxedWorkflowRunner())
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    if result.replay_failure is not None:
        error = textwrap.indent(_in_words(result.replay_failure), "  ")
        raise DoesNotReplay(ADVICE.format(name=name, error=error)) from None


async def replay_in_the_open(histories: Sequence[WorkflowHistory]) -> None:
    """Replay histories outside the sandbox, where a trace can follow the workflows' lines."""
    replayer = _replayer(WORKFLOWS, UnsandboxedWorkflowRunner())
    for history in histories:
        await replayer.replay_workflow(history)


def _replayer(workflows: Sequence[type], runner: WorkflowRunner) -> Replayer:
    # The histories are in clear, and what goes wrong with one is to be read.
    return Replayer(workflows=workflows, workflow_runner=runner, data_converter=pydantic_data_converter)


def _in_words(failure: Exception) -> str:
    said = [re.sub(r"\\(.)", _unescaped, words) for words in _SAID.findall(str(failure))]
    return "\n".join(said) or str(failure)


def _unescaped(escaped: re.Match[str]) -> str:
    return "\n" if escaped[1] == "n" else escaped[1]
