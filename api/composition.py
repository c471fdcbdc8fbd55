"""The API's composition root: the one place that builds its concretes and wires them together."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.admission import Admission
from api.backlog import ShownBacklog
from api.bulk import Bulk
from api.callbacks import Callbacks
from api.codec_payloads import CodecPayloads
from api.codec_server import CodecServer, codec_server
from api.identification import Identification, identification
from api.rate_limits import RateLimits
from api.service import NotificationService
from api.skipped_providers import SkippedProviders
from api.steering import Steering
from api.submitting import Submitting
from api.tenants import Tenants
from api.webhook_endpoints import WebhookEndpoints
from tidings.database import migrations
from tidings.database.attachments import AttachmentRepository
from tidings.database.engine import create_engine, pool_of
from tidings.database.notifications import NotificationRepository
from tidings.database.provider_health import ProviderHealthRepository
from tidings.database.receipts import PostgresReceiptLog
from tidings.database.suppressions import SuppressionRepository
from tidings.database.tenants import TenantRepository
from tidings.database.webhook_endpoints import WebhookEndpointRepository
from tidings.errors import StorageUnavailable
from tidings.metrics import ApiMetrics, MetricsPage, show_pool
from tidings.providers.callbacks.registry import build_readers
from tidings.settings import (
    ApiSettings,
    CodecServerSettings,
    DatabaseSettings,
    ProviderSettings,
    TokenSettings,
    WebhookKeySettings,
)
from tidings.temporal import namespace
from tidings.temporal.backlog import Backlog
from tidings.temporal.client import connect
from tidings.temporal.notifications import NotificationWorkflows
from tidings.temporal.schedules import NotificationSchedules
from tidings.temporal.sdk_metrics import SdkMetrics

Probe = Callable[[], Awaitable[None]]
"""Returns if a part can be reached, raises if not."""


@dataclass(frozen=True, slots=True)
class ApiConfiguration:
    """All the settings an API process reads."""

    api: ApiSettings
    database: DatabaseSettings
    providers: ProviderSettings
    webhook_keys: WebhookKeySettings = field(default_factory=WebhookKeySettings.load)
    tokens: TokenSettings = field(default_factory=TokenSettings.load)
    codec_server: CodecServerSettings = field(default_factory=CodecServerSettings.load)

    @classmethod
    def load(cls) -> Self:
        """Read them. Raises SetupError."""
        return cls(
            api=ApiSettings.load(),
            database=DatabaseSettings.load(),
            providers=ProviderSettings.load(),
            webhook_keys=WebhookKeySettings.load(),
            tokens=TokenSettings.load(),
            codec_server=CodecServerSettings.load(),
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with."""

    settings: ApiSettings
    identification: Identification
    tenants: Tenants
    admission: Admission
    workflows: NotificationWorkflows
    service: NotificationService
    submitting: Submitting
    bulk: Bulk
    steering: Steering
    schedules: NotificationSchedules
    suppressions: SuppressionRepository
    callbacks: Callbacks
    public_url: str | None
    """Where providers reach this API; None: wherever a request says that it came to."""
    metrics: ApiMetrics
    metrics_page: MetricsPage
    endpoints: WebhookEndpoints
    codec_server: CodecServer | None
    """None: payloads are not opened for anybody."""
    probes: Mapping[str, Probe]


@asynccontextmanager
async def compose(configuration: ApiConfiguration, sdk: SdkMetrics | None = None) -> AsyncIterator[Parts]:
    """Build the parts, with neither Postgres nor Temporal needed for it. Raises SetupError.

    `sdk`: the runtime for the connection to Temporal, and what it counts; None: it counts nothing.
    """
    settings = configuration.api
    master_keys = configuration.webhook_keys.master_keys()
    rate_limits = RateLimits(None if settings.redis_url is None else str(settings.redis_url))
    client = await connect(
        lazy=True, identity=f"tidings-api-{os.getpid()}", runtime=sdk.runtime if sdk else None
    )
    engine = create_engine(configuration.database, application_name="tidings-api")
    metrics = ApiMetrics(CollectorRegistry())
    show_pool(metrics.registry, partial(pool_of, engine))
    workflows = NotificationWorkflows(client, settings.temporal_ui_url, timeout=settings.start_timeout)
    service = NotificationService(
        NotificationRepository(engine),
        workflows,
        start_timeout=settings.start_timeout,
        start_failed=metrics.start_failed,
    )
    tenants = Tenants(TenantRepository(engine), fresh=settings.key_cache_seconds)
    submitting = Submitting(
        service, workflows, AttachmentRepository(engine), tenants, most_segments=settings.sms_max_segments
    )
    callbacks = Callbacks(
        build_readers(configuration.providers), PostgresReceiptLog(engine), workflows, metrics
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        stack.push_async_callback(callbacks.aclose)
        stack.push_async_callback(rate_limits.aclose)
        identified = await stack.enter_async_context(
            identification(engine, settings, configuration.tokens, metrics)
        )
        await stack.enter_async_context(_running(tenants.keep_fresh()))
        yield Parts(
            settings=settings,
            identification=identified,
            tenants=tenants,
            admission=Admission(
                tenants,
                rate_limits,
                key_limit=settings.rate_limit_key,
                tenant_limit=settings.rate_limit_tenant,
                limited=metrics.limited,
            ),
            workflows=workflows,
            service=service,
            submitting=submitting,
            bulk=Bulk(submitting, in_flight=settings.bulk_in_flight, patience=settings.start_timeout),
            steering=Steering(service, workflows, wait=settings.cancel_wait),
            schedules=NotificationSchedules(client, settings.temporal_ui_url, timeout=settings.start_timeout),
            suppressions=SuppressionRepository(engine),
            callbacks=callbacks,
            public_url=configuration.providers.public_url,
            metrics=metrics,
            metrics_page=_page(metrics, engine, client, sdk),
            endpoints=WebhookEndpoints(WebhookEndpointRepository(engine), master_keys),
            codec_server=codec_server(
                configuration.codec_server,
                ui_url=settings.temporal_ui_url,
                namespace=client.namespace,
                payloads=CodecPayloads(client.data_converter.payload_codec),
            ),
            probes={
                "postgres": partial(_probe_postgres, engine),
                "temporal": partial(namespace.check, client),
            },
        )


def _page(metrics: ApiMetrics, engine: AsyncEngine, client: Client, sdk: SdkMetrics | None) -> MetricsPage:
    refreshes = [
        SkippedProviders(ProviderHealthRepository(engine), metrics).refresh,
        ShownBacklog(Backlog(client, timeout=3), metrics).refresh,
    ]
    if sdk is not None:
        metrics.registry.register(sdk)
        refreshes.append(sdk.refresh)
    return MetricsPage(metrics.registry, refreshes)


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _probe_postgres(engine: AsyncEngine) -> None:
    # Any revision will do: during a rolling upgrade the database is ahead of some of the processes.
    if await migrations.current(engine) is None:
        raise StorageUnavailable("the database has no tables yet: run `tidings migrate`")
