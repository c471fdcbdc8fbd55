"""The worker's composition root: the one place that builds concretes and wires them together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random, SystemRandom
from typing import Self

from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, Worker

from activities.recording import RecordingActivities
from activities.sending import SendActivities
from activities.under_way import HEARTBEAT_EVERY
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.database.engine import create_engine
from tidings.database.webhook_endpoints import WebhookEndpointRepository
from tidings.domain.notification import Notification
from tidings.domain.vocabulary import Channel
from tidings.messages.delivery import DeliveryPlan
from tidings.providers.registry import SandboxedProviders, build_providers
from tidings.settings import (
    DatabaseSettings,
    DeliverySettings,
    ProviderSettings,
    WebhookKeySettings,
    WorkerSettings,
)
from tidings.temporal import names
from worker.endpoint_secrets import CachedEndpointSecrets
from workflows.deliver_notification import DeliverNotification
from workflows.fire_schedule import FireSchedule


@dataclass(frozen=True, slots=True)
class Planner:
    """How this worker delivers: by its settings."""

    settings: DeliverySettings
    random: Random = field(default_factory=SystemRandom)

    def __call__(self, notification: Notification) -> DeliveryPlan:
        """The plan for one notification."""
        return DeliveryPlan(
            route=self._route(notification),
            fails_over_at_once=self.settings.fails_over_at_once(notification.channel),
            retry=self.settings.retry_schedule(notification.channel),
            attempt_timeout=self.settings.attempt_timeout,
            retry_window=self.settings.retry_window,
        )

    def _route(self, notification: Notification) -> list[str]:
        if notification.provider is not None:
            return [notification.provider]
        route = self.settings.route(notification.channel, notification.tenant)
        return route.ordered(self.random)


@dataclass(frozen=True, slots=True)
class WorkerConfiguration:
    """All the settings a worker process reads."""

    database: DatabaseSettings
    providers: ProviderSettings
    delivery: DeliverySettings
    worker: WorkerSettings
    webhook_keys: WebhookKeySettings = field(default_factory=WebhookKeySettings.load)

    @classmethod
    def load(cls) -> Self:
        """Read them. Raises SetupError."""
        return cls(
            database=DatabaseSettings.load(),
            providers=ProviderSettings.load(),
            delivery=DeliverySettings.load(),
            worker=WorkerSettings.load(),
            webhook_keys=WebhookKeySettings.load(),
        )


@asynccontextmanager
async def build_workers(client: Client, configuration: WorkerConfiguration) -> AsyncIterator[list[Worker]]:
    """The workers of one process: one for workflows and records, one for each channel's sends."""
    engine = create_engine(configuration.database)
    sandboxed = SandboxedProviders(configuration.providers)
    registry = build_providers(
        configuration.providers, stand_ins=sandboxed if configuration.providers.sandbox_stands_in else None
    )
    log = PostgresDeliveryLog(engine)
    secrets = CachedEndpointSecrets(
        WebhookEndpointRepository(engine), configuration.webhook_keys.master_keys()
    )
    recording = RecordingActivities(log, Planner(configuration.delivery))
    sending = SendActivities(log, registry, sandboxed, secrets)
    try:
        yield [
            _records_worker(client, recording, configuration.worker),
            *(_channel_worker(client, sending, channel, configuration.worker) for channel in Channel),
        ]
    finally:
        await registry.aclose()
        await sandboxed.aclose()
        await engine.dispose()


def _records_worker(client: Client, recording: RecordingActivities, settings: WorkerSettings) -> Worker:
    return Worker(
        client,
        task_queue=names.TASK_QUEUE,
        workflows=[DeliverNotification, FireSchedule],
        activities=[recording.persist, recording.record, recording.withdraw],
        max_concurrent_workflow_tasks=settings.worker_workflow_tasks,
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(minimum=2),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(initial=2),
        graceful_shutdown_timeout=timedelta(seconds=settings.worker_shutdown_timeout),
    )


def _channel_worker(
    client: Client, sending: SendActivities, channel: Channel, settings: WorkerSettings
) -> Worker:
    return Worker(
        client,
        task_queue=names.send_queue(channel),
        activities=[sending.send],
        max_concurrent_activities=settings.worker_sends_per_channel,
        # Kept by the server, so that it holds over all workers.
        max_task_queue_activities_per_second=settings.rate(channel),
        # By default the SDK holds heartbeats back for most of their timeout: one late one would be a death.
        max_heartbeat_throttle_interval=HEARTBEAT_EVERY,
        default_heartbeat_throttle_interval=HEARTBEAT_EVERY,
        activity_task_poller_behavior=PollerBehaviorAutoscaling(initial=2),
        graceful_shutdown_timeout=timedelta(seconds=settings.worker_shutdown_timeout),
    )
