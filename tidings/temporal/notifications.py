"""Notifications as workflows: start, find, ask and signal them. The one way from API and CLI to Temporal."""

from contextlib import suppress
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
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from tidings.domain.notification import DeliveryState, Notification
from tidings.domain.receipt import Receipt
from tidings.domain.record import NotificationRecord
from tidings.domain.vocabulary import Status
from tidings.messages.delivery import DeliveryRequest, DeliveryResult, SignalNote, StatusReport
from tidings.temporal import names, story
from tidings.temporal.calls import is_absence, translated
from tidings.temporal.correlation import Headers, going_on_from
from tidings.temporal.encryption.converter import of_workflow
from tidings.temporal.start_options import start_options

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
        with translated():
            try:
                await self._client.start_workflow(
                    names.WORKFLOW_TYPE,
                    DeliveryRequest(notification=notification),
                    **start_options(notification),
                    rpc_timeout=self._timeout,
                )
            except WorkflowAlreadyStartedError:
                # A repeat of this very request would have been recognised by its request id.
                return False
        return True

    async def find(self, tenant: str | None, notification_id: UUID) -> NotificationRecord | None:
        """The notification as its workflow knows it, without Postgres and, if need be, without a worker.

        None if the tenant (None: any tenant) has none of that id, or Temporal has forgotten it.
        """
        handle = self._handle(notification_id)
        with translated():
            description = await self._describe(handle)
            if description is None:
                return None
            if tenant not in (None, description.typed_search_attributes.get(names.NOTIFICATION_TENANT)):
                return None
            request = await self._request(handle)
            # The attribute is not sealed: whose it is, the request alone can prove.
            if request is None or tenant not in (None, request.tenant):
                return None
            state = await self._state(handle, description, request)
        return NotificationRecord(notification=request.notification, state=state)

    async def status(self, notification_id: UUID) -> StatusReport | None:
        """The workflow's own view, or None if there is no such workflow or no worker answers in time."""
        with translated():
            return await self._ask(self._handle(notification_id))

    async def is_open(self, notification_id: UUID) -> bool:
        """Whether a workflow carries the notification at this moment."""
        with translated():
            description = await self._describe(self._handle(notification_id))
        return description is not None and description.status == WorkflowExecutionStatus.RUNNING

    async def cancel(self, notification_id: UUID, note: SignalNote | None = None) -> bool:
        """Signal `cancel`. False if no open workflow is there to take it."""
        handle, arguments = self._handle(notification_id), _arguments(note)
        with translated():
            try:
                if arguments:
                    # Whoever cannot open what is there might seal what its worker cannot open.
                    await self._request(handle)
                await handle.signal(names.SIGNAL_CANCEL, args=arguments, rpc_timeout=self._timeout)
            except RPCError as error:
                if is_absence(error):
                    return False
                raise
        return True

    async def look_at_receipt(self, notification_id: UUID) -> None:
        """Have the notification's workflow look at what a receipt has left in the database, if it is open."""
        with translated():
            try:
                await self._handle(notification_id).signal(names.SIGNAL_RECEIPT, rpc_timeout=self._timeout)
            except RPCError as error:
                if not is_absence(error):
                    raise

    async def keep_receipt(self, receipt: Receipt) -> None:
        """Start a workflow that records the receipt as soon as that can be done. Once this returns, it
        survives any crash."""
        with translated():
            await self._client.start_workflow(
                names.RECEIPT_WORKFLOW_TYPE,
                receipt,
                id=names.receipt_workflow_id(receipt.notification_id, receipt.provider, receipt.event_id),
                task_queue=names.TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=story.receipt_summary(receipt.provider),
                static_details=story.RECEIPT_DETAILS,
                rpc_timeout=self._timeout,
            )

    async def retry(
        self, record: NotificationRecord, note: SignalNote | None = None, *, is_news: bool = False
    ) -> None:
        """Signal `retry`, in one step with starting a new run where no workflow is open to take it.

        Such a run goes on from `record`, or from what the database knows beyond it.
        `is_news`: the open workflow may not yet have heard of the attempt with which `record` ends.
        """
        if is_news:
            note = (note or SignalNote()).model_copy(update={"after": record.state.attempt_count})
        id = record.notification.id
        with translated(), going_on_from(await self._headers(self._handle(id))):
            await self._client.start_workflow(
                names.WORKFLOW_TYPE,
                DeliveryRequest(notification=record.notification, state=record.state),
                **start_options(record.notification, record.state),
                start_signal=names.SIGNAL_RETRY,
                start_signal_args=_arguments(note),
                rpc_timeout=self._timeout,
            )

    def _handle(self, notification_id: UUID) -> WorkflowHandle[object, DeliveryResult]:
        return self._client.get_workflow_handle(
            names.workflow_id(notification_id), result_type=DeliveryResult
        )

    async def _describe(
        self, handle: WorkflowHandle[object, DeliveryResult]
    ) -> WorkflowExecutionDescription | None:
        try:
            return await handle.describe(rpc_timeout=self._timeout)
        except RPCError as error:
            if is_absence(error):
                return None
            raise

    async def _request(self, handle: WorkflowHandle[object, DeliveryResult]) -> DeliveryRequest | None:
        """The workflow's input, from its first event."""
        async for event in handle.fetch_history_events(page_size=1, rpc_timeout=self._timeout):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            (request,) = await of_workflow(self._client, handle.id).decode(payloads, [DeliveryRequest])
            return DeliveryRequest.model_validate(request)
        return None

    async def _headers(self, handle: WorkflowHandle[object, DeliveryResult]) -> Headers:
        """What the last run was started with; nothing, if Temporal cannot say."""
        with suppress(RPCError, RuntimeError):
            async for event in handle.fetch_history_events(page_size=1, rpc_timeout=self._timeout):
                return event.workflow_execution_started_event_attributes.header.fields
        return {}

    async def _state(
        self,
        handle: WorkflowHandle[object, DeliveryResult],
        description: WorkflowExecutionDescription,
        request: DeliveryRequest,
    ) -> DeliveryState:
        if description.status == WorkflowExecutionStatus.COMPLETED:
            return (await handle.result(rpc_timeout=self._timeout)).state
        taken_up = description.history_length > _EVENTS_BEFORE_A_WORKER
        # A query would wait in vain for a worker that has never seen the workflow.
        report = await self._ask(handle) if taken_up else None
        if report is not None:
            return report.state
        initial = request.state or DeliveryState.initial(request.notification)
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
            if is_absence(error) or error.status in (
                RPCStatusCode.DEADLINE_EXCEEDED,
                RPCStatusCode.CANCELLED,
                RPCStatusCode.FAILED_PRECONDITION,
            ):
                return None
            raise
        return StatusReport.model_validate(report)


def _arguments(note: SignalNote | None) -> list[SignalNote]:
    # None where it says nothing: then there is nothing to seal.
    return [] if note is None or note == SignalNote() else [note]
