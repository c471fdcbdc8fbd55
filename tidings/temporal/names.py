"""Every id, queue name, signal, query and search attribute, built in one place."""

import hashlib
from uuid import UUID

from temporalio import common
from temporalio.common import SearchAttributeKey

from tidings.domain.notification import Notification
from tidings.domain.vocabulary import Channel, Priority

WORKFLOW_TYPE = "DeliverNotification"
SIGNAL_CANCEL = "cancel"
SIGNAL_RETRY = "retry"
QUERY_STATUS = "status"

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
    return f"notification-{notification_id}"


def send_queue(channel: Channel) -> str:
    """The task queue of the channel's sends, so that a hung channel holds up no other."""
    return f"{TASK_QUEUE}-{channel}"


def priority(notification: Notification) -> common.Priority:
    """The notification's place in every backlog: by its priority, and within one by turns of the tenants."""
    return common.Priority(
        priority_key=PRIORITY_KEYS[notification.priority], fairness_key=_fairness_key(notification.tenant)
    )


def _fairness_key(tenant: str) -> str:
    """The tenant, or, where that is too long, a hash of it: the same in every process and release."""
    encoded = tenant.encode()
    if len(encoded) <= _FAIRNESS_KEY_BYTES:
        return tenant
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()


def web_ui_url(base: str, namespace: str, notification_id: UUID | str) -> str:
    """The Temporal Web UI's page of a notification's workflow."""
    return f"{base.rstrip('/')}/namespaces/{namespace}/workflows/{workflow_id(notification_id)}"
