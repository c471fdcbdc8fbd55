"""One firing of a schedule: makes a notification and hands it over to a workflow of its own."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tidings.domain.identifiers import id_at
    from tidings.messages.delivery import DeliveryRequest
    from tidings.messages.schedules import FireRequest, FireResult
    from tidings.temporal import names
    from tidings.temporal.start_options import start_options


@workflow.defn(name=names.FIRE_WORKFLOW_TYPE)
class FireSchedule:
    """Ends as soon as the notification's workflow has begun: neither waits for the other."""

    @workflow.run
    async def run(self, request: FireRequest) -> FireResult:
        """Make the notification and start its workflow."""
        now = workflow.now()
        notification = request.schedule.notification(id_at(now, workflow.random()), now)
        await workflow.start_child_workflow(
            names.WORKFLOW_TYPE,
            DeliveryRequest(notification=notification),
            **start_options(notification),
            # What was fired is delivered, whatever becomes of the schedule.
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
        )
        return FireResult(notification_id=notification.id)
