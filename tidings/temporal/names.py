"""Every id, queue name, signal, query and search attribute, built in one place."""

import hashlib
import re
from urllib.parse import quote
from uuid import UUID

from temporalio import common
from temporalio.common import SearchAttributeKey

from tidings.domain.vocabulary import Channel, Priority

WORKFLOW_TYPE = "DeliverNotification"
SIGNAL_CANCEL = "cancel"
SIGNAL_RETRY = "retry"
SIGNAL_RECEIPT = "receipt"
QUERY_STATUS = "status"

RECEIPT_WORKFLOW_TYPE = "RecordReceipt"
FIRE_WORKFLOW_TYPE = "FireSchedule"
SCHEDULE_MEMO = "schedule"

_NOTIFICATION = "notification-"
_SCHEDULE = "schedule-"
_FIRE_ID = re.compile(r"schedule-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-fire")

TASK_QUEUE = "tidings"
"""Workflows and the activities that keep the records."""

NOTIFICATION_STATUS = SearchAttributeKey.for_keyword("NotificationStatus")
NOTIFICATION_CHANNEL = SearchAttributeKey.for_keyword("NotificationChannel")
NOTIFICATION_TENANT = SearchAttributeKey.for_keyword("NotificationTenant")
SEARCH_ATTRIBUTES = (NOTIFICATION_STATUS, NOTIFICATION_CHANNEL, NOTIFICATION_TENANT)

PRIORITY_KEYS: dict[Priority, int] = {priority: key for key, priority in enumerate(Priority, start=1)}
"""Temporal's priority keys: 1 is taken first, 5 last."""

_FAIRNESS_KEY_BYTES = 64
"""Temporal refuses longer fairness keys."""


def workflow_id(notification_id: UUID | str) -> str:
    """The id of a notification's workflow."""
    return f"{_NOTIFICATION}{notification_id}"


def id_of_workflow(workflow_id: str) -> UUID:
    """What `workflow_id` was made from. Raises ValueError for an id that is not one of a notification's."""
    id = UUID(workflow_id.removeprefix(_NOTIFICATION))
    if workflow_id != f"{_NOTIFICATION}{id}":
        raise ValueError(workflow_id)
    return id


def schedule_id(id: UUID | str) -> str:
    """The id of a schedule."""
    return f"{_SCHEDULE}{id}"


def id_of_schedule(schedule_id: str) -> UUID:
    """What `schedule_id` was made from. Raises ValueError for an id that is not one of a schedule of ours."""
    if not schedule_id.startswith(_SCHEDULE):
        raise ValueError(schedule_id)
    return UUID(schedule_id.removeprefix(_SCHEDULE))


def fire_id(id: UUID | str) -> str:
    """The id of a schedule's workflow; Temporal appends the time of each firing."""
    return f"{schedule_id(id)}-fire"


def is_firing(workflow_id: str, *, of: str) -> bool:
    """Whether a workflow is a firing of the schedule whose `fire_id` this is."""
    return _FIRE_ID.fullmatch(of) is not None and workflow_id.startswith(f"{of}-")


def receipt_workflow_id(notification_id: UUID | str, provider: str, event_id: str) -> str:
    """The id of the workflow of a receipt that could not be recorded at once: the same for its repetition."""
    digest = hashlib.blake2b(f"{provider} {event_id}".encode("utf-8", "replace"), digest_size=16).hexdigest()
    return f"receipt-{notification_id}-{digest}"


def send_queue(channel: Channel) -> str:
    """The task queue of the channel's sends, so that a hung channel holds up no other."""
    return f"{TASK_QUEUE}-{channel}"


def place(priority: Priority, tenant: str) -> common.Priority:
    """The place in every backlog: by priority, and within one priority by turns of the tenants."""
    return common.Priority(priority_key=PRIORITY_KEYS[priority], fairness_key=_fairness_key(tenant))


def _fairness_key(tenant: str) -> str:
    """The tenant, or, where that is too long, a hash of it: the same in every process and release."""
    encoded = tenant.encode()
    if len(encoded) <= _FAIRNESS_KEY_BYTES:
        return tenant
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()


def web_ui_url(base: str, namespace: str, notification_id: UUID | str) -> str:
    """The Temporal Web UI's page of a notification's workflow."""
    return f"{base.rstrip('/')}/namespaces/{namespace}/workflows/{workflow_id(notification_id)}"


def schedule_ui_url(base: str, namespace: str, id: UUID | str) -> str:
    """The Temporal Web UI's page of a schedule."""
    return f"{base.rstrip('/')}/namespaces/{namespace}/schedules/{schedule_id(id)}"


def firing_ui_url(base: str, namespace: str, workflow_id: str) -> str:
    """The Temporal Web UI's page of a firing's workflow, whose id ends with a time."""
    return f"{base.rstrip('/')}/namespaces/{namespace}/workflows/{quote(workflow_id, safe='')}"
