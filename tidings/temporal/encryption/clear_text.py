"""What is shown in clear on purpose: the lines by which the Temporal Web UI tells a notification's story."""

from temporalio.api.sdk.v1 import WorkflowMetadata


class InClear(str):
    """A line for the Temporal Web UI that everybody may read who sees a workflow: without personal data.

    Every other string is sealed. The class is lost by any change (`strip`, `+`, an f-string, a trip through
    a model), and the new string is sealed again: nothing comes to be shown in clear by accident.
    """

    __slots__ = ()


def is_for_all(value: object) -> bool:
    """Whether this is left in clear: an `InClear`, or the SDK's own description of a workflow, which holds
    the names of signals and queries and what `workflow.set_current_details` was given."""
    return isinstance(value, InClear | WorkflowMetadata)
