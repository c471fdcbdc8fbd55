"""How a notification's workflow is started, whoever starts it: the API, or a schedule's firing."""

from typing import TypedDict

from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy

from tidings.domain.notification import DeliveryState, Notification
from tidings.temporal import names


class StartOptions(TypedDict):
    """Keyword arguments of the SDK's `start_workflow` and `start_child_workflow` alike."""

    id: str
    task_queue: str
    id_reuse_policy: WorkflowIDReusePolicy
    search_attributes: TypedSearchAttributes
    static_summary: str
    priority: Priority


def start_options(notification: Notification) -> StartOptions:
    """The options for this notification. None of them holds personal data."""
    state = DeliveryState.initial(notification)
    return StartOptions(
        id=names.workflow_id(notification.id),
        task_queue=names.TASK_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        search_attributes=TypedSearchAttributes(
            [
                SearchAttributePair(names.NOTIFICATION_STATUS, state.status.value),
                SearchAttributePair(names.NOTIFICATION_CHANNEL, notification.channel.value),
                SearchAttributePair(names.NOTIFICATION_TENANT, notification.tenant),
            ]
        ),
        static_summary=f"{notification.channel} notification, {notification.priority} priority",
        priority=Priority(priority_key=names.PRIORITY_KEYS[notification.priority]),
    )
