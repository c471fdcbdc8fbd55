"""Changes of DeliverNotification that somebody might make: the wrong way, and once the right way."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.recording import RecordingActivities
    from tidings.domain.notification import DeliveryState
    from tidings.messages.delivery import DeliveryRequest, DeliveryResult, RecordRequest
    from tidings.temporal import names
    from workflows.deliver_notification import DeliverNotification

PAUSE = timedelta(seconds=1)


class RequestWithAnotherField(DeliveryRequest):
    """A message with one more field, which the messages in the histories have not."""

    campaign: str


@workflow.defn(name=names.WORKFLOW_TYPE)
class PausesFirst(DeliverNotification):
    """A timer more."""

    @workflow.init
    def __init__(self, request: DeliveryRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: DeliveryRequest) -> DeliveryResult:
        """Pause, then deliver."""
        await workflow.sleep(PAUSE)
        return await super().run(request)


@workflow.defn(name=names.WORKFLOW_TYPE)
class PausesFirstIfNew(DeliverNotification):
    """A timer more, guarded: runs that began without it go on without it."""

    @workflow.init
    def __init__(self, request: DeliveryRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: DeliveryRequest) -> DeliveryResult:
        """Pause in new runs, then deliver."""
        if workflow.patched("example-of-a-guard"):
            await workflow.sleep(PAUSE)
        return await super().run(request)


@workflow.defn(name=names.WORKFLOW_TYPE)
class RecordsTheEnd(DeliverNotification):
    """An activity more."""

    @workflow.init
    def __init__(self, request: DeliveryRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: DeliveryRequest) -> DeliveryResult:
        """Deliver, then record it once more."""
        result = await super().run(request)
        await workflow.execute_activity_method(
            RecordingActivities.record,
            RecordRequest(notification_id=request.notification.id, state=result.state),
            start_to_close_timeout=PAUSE,
        )
        return result


@workflow.defn(name=names.WORKFLOW_TYPE)
class EndsAtOnce(DeliverNotification):
    """All activities less."""

    @workflow.init
    def __init__(self, request: DeliveryRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: DeliveryRequest) -> DeliveryResult:
        """End at once."""
        return DeliveryResult(state=request.state or DeliveryState.initial(request.notification))


@workflow.defn(name=names.WORKFLOW_TYPE)
class AsksForAnotherField(DeliverNotification):
    """Another message."""

    @workflow.init
    def __init__(self, request: RequestWithAnotherField) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: RequestWithAnotherField) -> DeliveryResult:  # type: ignore[override]  # what it shows
        """Deliver."""
        return await super().run(request)
