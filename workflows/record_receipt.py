"""A receipt that could not be recorded when it came: kept here until it can be."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.recording import RecordingActivities
    from tidings.domain.receipt import Receipt
    from tidings.temporal import names
    from workflows.story.steps import RECEIPT_SUMMARY

_PATIENCE = timedelta(days=7)
"""Longer than any attempt and, let us hope, any outage."""
_STEADY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))


@workflow.defn(name=names.RECEIPT_WORKFLOW_TYPE)
class RecordReceipt:
    """Records one receipt, and has the notification's workflow look at it."""

    @workflow.run
    async def run(self, receipt: Receipt) -> None:
        """Try until it is recorded. A notification that does not exist any more needs no receipt."""
        received = await workflow.execute_activity_method(
            RecordingActivities.receive,
            receipt,
            start_to_close_timeout=timedelta(seconds=30),
            schedule_to_close_timeout=_PATIENCE,
            retry_policy=_STEADY,
            summary=RECEIPT_SUMMARY,
        )
        if not received.may_be_waited_for:
            return
        waiting = workflow.get_external_workflow_handle(names.workflow_id(receipt.notification_id))
        try:
            await waiting.signal(names.SIGNAL_RECEIPT)
        except FailureError:
            # Its workflow has ended: what the database has is all there is to know.
            return
