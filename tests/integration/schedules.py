"""What the tests of schedules share: an API, a worker on the real database, and a tidy end."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities.provider_calls import ProviderCalls
from activities.recording import RecordingActivities
from activities.sending import SendActivities
from tests.integration.api import EMAIL, Answer, Api, make_key, running_api
from tests.integration.database import open_engine
from tests.support import eventually
from tests.workers import at_work
from tests.workflows.delivery import ScriptedProvider
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.database.receipts import PostgresReceiptLog
from tidings.domain.retry_schedule import RetrySchedule
from tidings.domain.vocabulary import Channel
from tidings.messages.delivery import DeliveryPlan
from tidings.temporal import names
from workflows.deliver_notification import DeliverNotification
from workflows.fire_schedule import FireSchedule

HOURLY = {"notification": EMAIL, "every": 3_600}


@dataclass
class Schedules:
    """The API's schedules, and a hand on Temporal's."""

    api: Api
    client: Client
    created: list[str] = field(default_factory=list)

    async def post(self, **fields: Any) -> Answer:
        """Ask for an hourly one with these fields changed; a field of `...` is left out."""
        document = {name: value for name, value in (HOURLY | fields).items() if value is not ...}
        answer = await self.api.post("/v1/schedules", json=document)
        if answer.status == 201:
            self.created.append(answer.json["id"])
        return answer

    async def create(self, **fields: Any) -> dict[str, Any]:
        """The schedule that was made."""
        answer = await self.post(**fields)
        assert answer.status == 201, answer.text
        schedule: dict[str, Any] = answer.json
        return schedule

    async def get(self, id: str) -> dict[str, Any]:
        """The schedule."""
        answer = await self.api.get(f"/v1/schedules/{id}")
        assert answer.status == 200, answer.text
        schedule: dict[str, Any] = answer.json
        return schedule

    async def hurry(self, id: str) -> None:
        """Let it fire every second, which the API would refuse."""

        def every_second(given: ScheduleUpdateInput) -> ScheduleUpdate:
            schedule = given.description.schedule
            for interval in schedule.spec.intervals:
                interval.every = interval.every.__class__(seconds=1)
                interval.offset = None
            return ScheduleUpdate(schedule)

        await self.client.get_schedule_handle(names.schedule_id(id)).update(every_second)

    async def fired(self, id: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until it has made `count` notifications and they are sent; those, newest first."""

        async def sent() -> list[dict[str, Any]]:
            answer = await self.api.get(f"/v1/notifications?status=sent&schedule={id}")
            assert answer.status == 200, answer.text
            assert len(answer.json["data"]) >= count, answer.text
            notifications: list[dict[str, Any]] = answer.json["data"]
            return notifications

        return await eventually(sent)

    async def clean_up(self) -> None:
        """Delete what a test leaves behind, and end its last firings, so that it fires into no other test."""
        for id in self.created:
            handle = self.client.get_schedule_handle(names.schedule_id(id))
            with contextlib.suppress(RPCError):
                await handle.pause()
                recent = (await handle.describe()).info.recent_actions
                await handle.delete()
                for result in recent:
                    assert isinstance(result.action, ScheduleActionExecutionStartWorkflow)
                    with contextlib.suppress(RPCError):
                        await self.client.get_workflow_handle(result.action.workflow_id).terminate()


@asynccontextmanager
async def own_schedules(database_url: str, client: Client) -> AsyncIterator[Schedules]:
    """Those of a tenant of the test's own, as all tests share one Temporal: `client`'s."""
    key, _ = await make_key(database_url, f"tenant-{uuid4()}")
    async with running_api(database_url, client.service_client.config.target_host, key=key) as api:
        schedules = Schedules(api, client)
        try:
            yield schedules
        finally:
            await schedules.clean_up()


@asynccontextmanager
async def schedule_worker(client: Client, database_url: str) -> AsyncIterator[ScriptedProvider]:
    """The real workflows and activities on the real database; every send is accepted."""
    provider = ScriptedProvider([None])
    plan = DeliveryPlan(
        route=["smtp"],
        retry=RetrySchedule(attempts=1, first=1, factor=1, cap=1, jitter=0),
        attempt_timeout=30,
        retry_window=60,
    )
    async with open_engine(database_url) as engine:
        log = PostgresDeliveryLog(engine)
        recording = RecordingActivities(log, PostgresReceiptLog(engine), lambda notification: plan)
        records = Worker(
            client,
            task_queue=names.TASK_QUEUE,
            workflows=[DeliverNotification, FireSchedule],
            activities=[recording.persist, recording.record],
        )
        sends = Worker(
            client,
            task_queue=names.send_queue(Channel.EMAIL),
            activities=[SendActivities(log, ProviderCalls(provider)).send],
        )
        async with at_work(records, sends):
            yield provider


def ids(notifications: list[dict[str, Any]]) -> set[UUID]:
    """Their ids."""
    return {UUID(notification["id"]) for notification in notifications}
