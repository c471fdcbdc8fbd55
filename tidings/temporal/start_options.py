"""How a notification's workflow is started, whoever starts it: the API, or a schedule's firing."""

from typing import TypedDict

from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy

from tidings.domain.notification import DeliveryState, Notification
from tidings.temporal import names, story
from tidings.temporal.encryption.clear_text import InClear


class StartOptions(TypedDict):
    """Keyword arguments of the SDK's `start_workflow` and `start_child_workflow` alike."""

    id: str
    task_queue: str
    id_reuse_policy: WorkflowIDReusePolicy
    search_attributes: TypedSearchAttributes
    static_summary: InClear
    static_details: InClear
    priority: Priority


def start_options(notification: Notification, state: DeliveryState | None = None) -> StartOptions:
    """The options for this notification. None of them holds personal data.

    `state` is where an earlier run has brought it: then a closed workflow of the same id is no obstacle.
    """
    taken_up = state or DeliveryState.initial(notification)
    reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE if state else WorkflowIDReusePolicy.REJECT_DUPLICATE
    return StartOptions(
        id=names.workflow_id(notification.id),
        task_queue=names.TASK_QUEUE,
        id_reuse_policy=reuse,
        search_attributes=TypedSearchAttributes(
            [
                SearchAttributePair(names.NOTIFICATION_STATUS, taken_up.status.value),
                SearchAttributePair(names.NOTIFICATION_CHANNEL, notification.channel.value),
                SearchAttributePair(names.NOTIFICATION_TENANT, notification.tenant),
            ]
        ),
        static_summary=story.delivery_summary(notification, taken_up),
        static_details=story.DELIVERY_DETAILS,
        priority=names.place(notification.priority, notification.tenant),
    )
