"""Notifications as workflows: start, find, ask and signal them. The one way from API and CLI to Temporal."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from tidings.domain.notification import DeliveryState, Notification
from tidings.domain.record import NotificationRecord
from tidings.domain.vocabulary import Status
from tidings.errors import OrchestratorUnavailable
from tidings.messages.delivery import DeliveryRequest, DeliveryResult, SignalNote, StatusReport
from tidings.temporal import names

_EVENTS_BEFORE_A_WORKER = 2
"""The start and the first workflow task's scheduling: what a workflow has before any worker took it up."""


class NotificationWorkflows:
    """The workflows of all notifications in one Temporal namespace.

    Every call raises OrchestratorUnavailable while Temporal cannot be reached or refuses us.
    """

    def __init__(self, client: Client, ui_url: str, *, timeout: float = 5, query_timeout: float = 2) -> None:
        """`timeout` bounds each call, `query_timeout` the wait for a worker to answer a query; seconds."""
        self._client = client
        self._ui_url = ui_url
        self._timeout = timedelta(seconds=timeout)
        self._query_timeout = timedelta(seconds=query_timeout)

    def url(self, notification_id: UUID | str) -> str:
        """The notification's page in the Temporal Web UI."""
        return names.web_ui_url(self._ui_url, self._client.namespace, notification_id)

    async def start(self, notification: Notification) -> bool:
        """Start the notification's workflow. Once this returns, it survives any crash.

        False if another request has started one of the same id, be it running or closed.
        """
        state = DeliveryState.initial(notification)
        with _translated():
            try:
                await self._client.start_workflow(
                    names.WORKFLOW_TYPE,
                    DeliveryRequest(notification=notification),
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
                    rpc_timeout=self._timeout,
                )
            except WorkflowAlreadyStartedError:
                # A repeat of this very request would have been recognised by its request id.
                return False
        return True

    async def find(self, tenant: str, notification_id: UUID) -> NotificationRecord | None:
        """The notification as its workflow knows it, without Postgres and, if need be, without a worker."""
        handle = self._handle(notification_id)
        with _translated():
            description = await self._describe(handle)
            if description is None:
                return None
            if description.typed_search_attributes.get(names.NOTIFICATION_TENANT) != tenant:
                return None
            notification = await self._submitted(handle)
            if notification is None:
                return None
            state = await self._state(handle, description, notification)
        return NotificationRecord(notification=notification, state=state)

    async def status(self, notification_id: UUID) -> StatusReport | None:
        """The workflow's own view, or None if there is no such workflow or no worker answers in time."""
        with _translated():
            return await self._ask(self._handle(notification_id))

    async def cancel(self, notification_id: UUID, reason: str | None = None) -> bool:
        """Signal `cancel`. False if no open workflow is there to take it."""
        return await self._signal(notification_id, names.SIGNAL_CANCEL, reason)

    async def retry(self, notification_id: UUID, reason: str | None = None) -> bool:
        """Signal `retry`. False if no open workflow is there to take it."""
        return await self._signal(notification_id, names.SIGNAL_RETRY, reason)

    def _handle(self, notification_id: UUID) -> WorkflowHandle[object, DeliveryResult]:
        return self._client.get_workflow_handle(
            names.workflow_id(notification_id), result_type=DeliveryResult
        )

    async def _signal(self, notification_id: UUID, signal: str, reason: str | None) -> bool:
        arguments = [SignalNote(reason=reason)] if reason else []
        with _translated():
            try:
                await self._handle(notification_id).signal(signal, args=arguments, rpc_timeout=self._timeout)
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    return False
                raise
        return True

    async def _describe(
        self, handle: WorkflowHandle[object, DeliveryResult]
    ) -> WorkflowExecutionDescription | None:
        try:
            return await handle.describe(rpc_timeout=self._timeout)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def _submitted(self, handle: WorkflowHandle[object, DeliveryResult]) -> Notification | None:
        """The notification from the workflow's first event, where its input stands."""
        async for event in handle.fetch_history_events(page_size=1, rpc_timeout=self._timeout):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            (request,) = await self._client.data_converter.decode(payloads, [DeliveryRequest])
            return DeliveryRequest.model_validate(request).notification
        return None

    async def _state(
        self,
        handle: WorkflowHandle[object, DeliveryResult],
        description: WorkflowExecutionDescription,
        notification: Notification,
    ) -> DeliveryState:
        if description.status == WorkflowExecutionStatus.COMPLETED:
            return (await handle.result(rpc_timeout=self._timeout)).state
        taken_up = description.history_length > _EVENTS_BEFORE_A_WORKER
        # A query would wait in vain for a worker that has never seen the workflow.
        report = await self._ask(handle) if taken_up else None
        if report is not None:
            return report.state
        initial = DeliveryState.initial(notification)
        status = description.typed_search_attributes.get(names.NOTIFICATION_STATUS)
        return initial.model_copy(update={"status": Status(status)}) if status else initial

    async def _ask(self, handle: WorkflowHandle[object, DeliveryResult]) -> StatusReport | None:
        try:
            report = await handle.query(
                names.QUERY_STATUS, result_type=StatusReport, rpc_timeout=self._query_timeout
            )
        except (WorkflowQueryFailedError, WorkflowQueryRejectedError):
            return None
        except RPCError as error:
            # FAILED_PRECONDITION: the workflow has never been taken up by a worker.
            if error.status in (
                RPCStatusCode.NOT_FOUND,
                RPCStatusCode.DEADLINE_EXCEEDED,
                RPCStatusCode.CANCELLED,
                RPCStatusCode.FAILED_PRECONDITION,
            ):
                return None
            raise
        return StatusReport.model_validate(report)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except RPCError as error:
        raise OrchestratorUnavailable(f"Temporal: {error.status.name}: {error.message}") from error
    except RuntimeError as error:
        # What a lazily connected client raises when its first connection fails.
        if "connect" not in str(error).lower():
            raise
        raise OrchestratorUnavailable("Temporal cannot be reached.") from error
