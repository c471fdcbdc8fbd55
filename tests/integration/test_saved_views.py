"""The saved views of docs/tracing.md: the server understands each query, and it finds what the page says."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from tests.support import eventually
from tidings.domain.identifiers import new_id
from tidings.domain.notification import DeliveryState, Notification
from tidings.domain.vocabulary import Status
from tidings.messages.delivery import DeliveryRequest
from tidings.temporal import names
from tidings.temporal.start_options import start_options

PAGE = (Path(__file__).parents[2] / "docs" / "tracing.md").read_text()
VIEWS = dict(re.findall(r"^\| ([^|`]+) \| `([^`]+)` \|", PAGE, re.MULTILINE))
WRITTEN_TIME = "2026-11-21T11:00:00Z"
STARTED = {
    ("email", Status.PENDING),
    ("email", Status.SCHEDULED),
    ("email", Status.RETRYING),
    ("email", Status.FAILED),
    ("sms", Status.FAILED),
    ("sms", Status.UNKNOWN),
    ("sms", Status.EXPIRED),
}
FOUND = {
    "Failed SMS": {("sms", Status.FAILED)},
    "Unknown": {("sms", Status.UNKNOWN)},
    "Retrying for long": {("email", Status.RETRYING)},
    "Stuck pending": {("email", Status.PENDING)},
    "Scheduled": {("email", Status.SCHEDULED)},
    "Expired": {("sms", Status.EXPIRED)},
    "One tenant's troubles": {
        ("email", Status.FAILED),
        ("sms", Status.FAILED),
        ("sms", Status.UNKNOWN),
        ("sms", Status.EXPIRED),
    },
    "Fired by schedules": set(),
    "Receipts that wait": set(),
    "Workflow tasks that fail": set(),
}


async def start(client: Client, tenant: str, channel: str, status: Status) -> None:
    """A workflow that stands there as far as its search attributes say; no worker takes it up."""
    now = datetime.now(UTC)
    recipient = "+14155550123" if channel == "sms" else "ada@example.com"
    given = {"id": new_id(), "tenant": tenant, "channel": channel, "recipient": recipient, "body": "Hi"}
    notification = Notification.model_validate(given | {"created_at": now})
    options: dict[str, Any] = {**start_options(notification, DeliveryState(status=status, updated_at=now))}
    options["task_queue"] = f"nobody-serves-{tenant}"
    await client.start_workflow(names.WORKFLOW_TYPE, DeliveryRequest(notification=notification), **options)


async def listed(client: Client, query: str) -> set[tuple[str, str]]:
    return {
        (
            execution.typed_search_attributes[names.NOTIFICATION_CHANNEL],
            execution.typed_search_attributes[names.NOTIFICATION_STATUS],
        )
        async for execution in client.list_workflows(query)
    }


async def test_each_saved_view_finds_what_the_page_says(temporal_client: Client) -> None:
    client, tenant = temporal_client, f"views-{new_id()}"
    own = f'{names.NOTIFICATION_TENANT.name} = "{tenant}"'
    soon = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    for channel, status in sorted(STARTED):
        await start(client, tenant, channel, status)
    try:

        async def all_listed() -> bool:
            return await listed(client, own) == STARTED

        await eventually(all_listed)
        queries = {
            name: query.replace(WRITTEN_TIME, soon).replace("acme", tenant) for name, query in VIEWS.items()
        }
        assert {name: await listed(client, f"{query} AND {own}") for name, query in queries.items()} == FOUND
    finally:
        async for execution in client.list_workflows(own):
            await client.get_workflow_handle(execution.id).terminate()


@pytest.mark.parametrize("status", ["retrying", "pending"])
def test_the_views_of_what_is_stuck_leave_out_what_has_just_come(status: str) -> None:
    (query,) = [query for query in VIEWS.values() if f'"{status}"' in query]
    assert query.endswith(f'AND StartTime < "{WRITTEN_TIME}"')
