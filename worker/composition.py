"""The worker's composition root: the one place that builds concretes and wires them together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from random import Random, SystemRandom
from typing import Self

from prometheus_client import CollectorRegistry
from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, Worker

from activities.files import Files
from activities.metered_log import MeteredDeliveryLog, MeteredReceiptLog
from activities.provider_calls import ProviderCalls
from activities.provider_watch import ProviderWatch
from activities.recording import RecordingActivities
from activities.sending import SendActivities
from activities.under_way import HEARTBEAT_EVERY
from tidings.database.attachments import AttachmentRepository
from tidings.database.delivery_log import PostgresDeliveryLog
from tidings.database.engine import create_engine, pool_of
from tidings.database.provider_health import ProviderHealthRepository
from tidings.database.receipts import PostgresReceiptLog
from tidings.database.webhook_endpoints import WebhookEndpointRepository
from tidings.domain.notification import Notification
from tidings.domain.provider_health import SkipRule
from tidings.domain.vocabulary import Channel
from tidings.messages.delivery import DeliveryPlan
from tidings.metrics import MetricsPage, WorkerMetrics, show_pool
from tidings.providers.registry import SandboxedProviders, build_providers
from tidings.settings import (
    DatabaseSettings,
    DeliverySettings,
    ProviderSettings,
    WebhookKeySettings,
    WorkerSettings,
)
from tidings.temporal import names
from tidings.temporal.sdk_metrics import SdkMetrics
from worker.endpoint_secrets import CachedEndpointSecrets
from worker.metrics_server import serving
from workflows.deliver_notification import DeliverNotification
from workflows.fire_schedule import FireSchedule
from workflows.record_receipt import RecordReceipt

_PROBE_MARGIN = 30.0
"""Seconds an attempt may take beside its call: a worker that has not said by then what came of it is dead."""


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
async def build_workers(
    client: Client, configuration: WorkerConfiguration, sdk: SdkMetrics | None = None
) -> AsyncIterator[list[Worker]]:
    """The workers of one process: one for workflows and records, one for each channel's sends.

    `sdk`: what the client's runtime counts, to be shown beside our own metrics.
    """
    engine = create_engine(configuration.database)
    sandboxed = SandboxedProviders(configuration.providers)
    registry = build_providers(
        configuration.providers, stand_ins=sandboxed if configuration.providers.sandbox_stands_in else None
    )
    metrics = WorkerMetrics(CollectorRegistry())
    show_pool(metrics.registry, partial(pool_of, engine))
    log = MeteredDeliveryLog(PostgresDeliveryLog(engine), metrics)
    receipts = MeteredReceiptLog(PostgresReceiptLog(engine), metrics)
    recording = RecordingActivities(log, receipts, Planner(configuration.delivery))
    delivery = configuration.delivery
    watch = ProviderWatch(
        ProviderHealthRepository(engine),
        SkipRule(delivery.skip_after, delivery.skip_seconds),
        metrics,
        lease=delivery.attempt_timeout + _PROBE_MARGIN,
    )
    secrets = CachedEndpointSecrets(
        WebhookEndpointRepository(engine), configuration.webhook_keys.master_keys()
    )
    sending = SendActivities(
        log,
        ProviderCalls(registry, sandboxed=sandboxed, secrets=secrets, meter=metrics),
        chooser=watch,
        files=Files(AttachmentRepository(engine), most_bytes=configuration.worker.worker_attachment_bytes),
    )
    keeping_up = asyncio.create_task(watch.keep_up())
    try:
        async with serving(_page(metrics, sdk), configuration.worker):
            yield [
                _records_worker(client, recording, configuration.worker),
                *(_channel_worker(client, sending, channel, configuration.worker) for channel in Channel),
            ]
    finally:
        keeping_up.cancel()
        with suppress(asyncio.CancelledError):
            await keeping_up
        await watch.aclose()
        await registry.aclose()
        await sandboxed.aclose()
        await engine.dispose()


def _page(metrics: WorkerMetrics, sdk: SdkMetrics | None) -> MetricsPage:
    if sdk is None:
        return MetricsPage(metrics.registry)
    metrics.registry.register(sdk)
    return MetricsPage(metrics.registry, [sdk.refresh])


def _records_worker(client: Client, recording: RecordingActivities, settings: WorkerSettings) -> Worker:
    return Worker(
        client,
        task_queue=names.TASK_QUEUE,
        workflows=[DeliverNotification, FireSchedule, RecordReceipt],
        activities=[recording.persist, recording.record, recording.withdraw, recording.receive],
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
