"""A schedule fires."""

from uuid import NAMESPACE_URL, uuid5

from temporalio.client import WorkflowHandle

from tests.replay.stage import Scenario, Stage
from tidings.domain.schedule import Schedule, Template, Timing
from tidings.domain.vocabulary import Channel
from tidings.messages.delivery import DeliveryResult
from tidings.messages.schedules import FireRequest, FireResult
from tidings.temporal import names


async def schedule_fires(stage: Stage) -> WorkflowHandle[object, FireResult]:
    """It makes a notification, and ends as soon as that one's own workflow has begun."""
    schedule = Schedule(
        id=uuid5(NAMESPACE_URL, "https://example.com/schedules/hourly"),
        tenant="acme",
        template=Template(
            channel=Channel.EMAIL, recipient="ada@example.com", subject="Hello", body="Hello, Ada"
        ),
        timing=Timing(every=3_600),
        catch_up_window=60,
        expires_after=600,
        created_at=stage.notification.created_at,
    )
    async with stage.workers():
        firing = await stage.client.start_workflow(
            names.FIRE_WORKFLOW_TYPE,
            FireRequest(schedule=schedule),
            id=names.fire_id(schedule.id),
            task_queue=names.TASK_QUEUE,
            result_type=FireResult,
        )
        # What was fired is sent in this block, or a later scenario's worker would take it up.
        notification_id = (await firing.result()).notification_id
        delivery = stage.client.get_workflow_handle(
            names.workflow_id(notification_id), result_type=DeliveryResult
        )
        await delivery.result()
    return firing


SCENARIOS = [Scenario(schedule_fires)]
