"""Schedules in Temporal, which is their only store: create, find, list, pause, resume, delete."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from temporalio.client import (
    Client,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleListDescription,
)
from temporalio.service import RPCError, RPCStatusCode

from tidings.domain.schedule import Schedule, ScheduleListing, SchedulePage, ScheduleRecord, Timing
from tidings.errors import InvalidSubmission, OrchestratorUnavailable
from tidings.messages.schedules import FireRequest, ScheduleMemo
from tidings.temporal import names
from tidings.temporal.calls import is_absence, translated
from tidings.temporal.encryption.converter import of_workflow
from tidings.temporal.firings import last_firings
from tidings.temporal.schedule_form import memo, search_attributes, temporal_schedule

SHOWN_TIMES = 5
_WITHDRAWAL_SECONDS = 1


class NotificationSchedules:
    """The schedules of all tenants in one Temporal namespace. A tenant reaches its own and no other.

    Every call raises OrchestratorUnavailable while Temporal cannot be reached or refuses us.
    """

    def __init__(self, client: Client, ui_url: str, *, timeout: float = 5) -> None:
        """`timeout` bounds each call, in seconds."""
        self._client = client
        self._ui_url = ui_url
        self._timeout = timeout
        self._rpc_timeout = timedelta(seconds=timeout)

    def url(self, id: UUID) -> str:
        """The schedule's page in the Temporal Web UI."""
        return names.schedule_ui_url(self._ui_url, self._client.namespace, id)

    def firing_url(self, workflow_id: str) -> str:
        """The page of a firing's workflow in the Temporal Web UI."""
        return names.firing_ui_url(self._ui_url, self._client.namespace, workflow_id)

    async def create(self, schedule: Schedule, *, paused: bool = False) -> ScheduleRecord:
        """Create it. Raises InvalidSubmission if it could never fire, and then there is no schedule.

        After OrchestratorUnavailable there may be one all the same.
        """
        handle = self._handle(schedule.id)
        try:
            async with self._answered():
                await self._create(schedule, paused)
                description = await handle.describe(rpc_timeout=self._rpc_timeout)
        except OrchestratorUnavailable:
            await self._withdraw(handle)
            raise
        if not description.info.next_action_times and not description.info.num_actions:
            async with self._answered():
                await handle.delete(rpc_timeout=self._rpc_timeout)
            raise _never_fires(schedule.timing)
        return await self._record(schedule, description)

    async def find(self, tenant: str, id: UUID) -> ScheduleRecord | None:
        """The schedule, also if it was created a moment ago; None if this tenant has none of that id."""
        async with self._answered():
            found = await self._own(tenant, self._handle(id))
            if found is None:
                return None
            schedule, description = found
            return await self._record(schedule, description)

    async def page(self, tenant: str, limit: int, token: bytes | None = None) -> SchedulePage:
        """Up to `limit` of the tenant's schedules, from a token of the page before. In no set order.

        Temporal lists a new schedule, and drops a deleted one, after a moment.
        """
        async with self._answered():
            listed = await self._client.list_schedules(
                _query(tenant), page_size=limit, next_page_token=token, rpc_timeout=self._rpc_timeout
            )
            await listed.fetch_next_page()
            found = [await self._listing(tenant, entry) for entry in listed.current_page or ()]
        return SchedulePage([listing for listing in found if listing], listed.next_page_token or None)

    async def pause(self, tenant: str, id: UUID) -> ScheduleRecord | None:
        """Fire no more until `resume`. Pausing twice does no more than once."""
        return await self._set_paused(tenant, id, True)

    async def resume(self, tenant: str, id: UUID) -> ScheduleRecord | None:
        """Fire again from now on; what fell into the pause is not made up."""
        return await self._set_paused(tenant, id, False)

    async def delete(self, tenant: str, id: UUID) -> bool:
        """End the schedule. Notifications it has fired go on. False if there is none of that id."""
        handle = self._handle(id)
        async with self._answered():
            if await self._own(tenant, handle) is None:
                return False
            try:
                await handle.delete(rpc_timeout=self._rpc_timeout)
            except RPCError as error:
                if not is_absence(error):  # another call was faster
                    raise
        return True

    def _handle(self, id: UUID) -> ScheduleHandle:
        return self._client.get_schedule_handle(names.schedule_id(id))

    async def _create(self, schedule: Schedule, paused: bool) -> None:
        try:
            await self._client.create_schedule(
                names.schedule_id(schedule.id),
                temporal_schedule(schedule, paused=paused),
                memo=memo(schedule),
                search_attributes=search_attributes(schedule),
                rpc_timeout=self._rpc_timeout,
            )
        except ScheduleAlreadyRunningError:
            # The id is ours alone: an earlier try of this very call got through.
            return
        except RPCError as error:
            # Of all that we send, only the time zone is a matter of the server's own knowledge.
            if error.status is RPCStatusCode.INVALID_ARGUMENT and schedule.timing.time_zone != "UTC":
                raise InvalidSubmission("/time_zone", "is not a time zone that Temporal knows") from error
            raise

    async def _withdraw(self, handle: ScheduleHandle) -> None:
        """Try to take back what may have been created: nobody has its id, and it would fire for ever."""
        with suppress(RPCError, RuntimeError, TimeoutError):
            async with asyncio.timeout(_WITHDRAWAL_SECONDS):
                await handle.delete()

    async def _set_paused(self, tenant: str, id: UUID, paused: bool) -> ScheduleRecord | None:
        handle = self._handle(id)
        async with self._answered():
            found = await self._own(tenant, handle)
            if found is None:
                return None
            if found[1].schedule.state.paused is not paused:
                change = handle.pause if paused else handle.unpause
                await change(note="paused" if paused else "resumed", rpc_timeout=self._rpc_timeout)
                found = await self._own(tenant, handle)
                if found is None:
                    return None
            schedule, description = found
            return await self._record(schedule, description)

    async def _own(self, tenant: str, handle: ScheduleHandle) -> tuple[Schedule, ScheduleDescription] | None:
        try:
            description = await handle.describe(rpc_timeout=self._rpc_timeout)
        except RPCError as error:
            if is_absence(error):
                return None
            raise
        if description.typed_search_attributes.get(names.NOTIFICATION_TENANT) != tenant:
            return None
        action = description.schedule.action
        if not isinstance(action, ScheduleActionStartWorkflow) or action.workflow != names.FIRE_WORKFLOW_TYPE:
            return None
        sealed_for = names.fire_id(names.id_of_schedule(handle.id))
        (request,) = await of_workflow(self._client, sealed_for).decode(action.args, [FireRequest])
        schedule = FireRequest.model_validate(request).schedule
        # The attribute is not sealed: whose it is, the request alone can prove.
        return (schedule, description) if schedule.tenant == tenant else None

    async def _record(self, schedule: Schedule, description: ScheduleDescription) -> ScheduleRecord:
        return ScheduleRecord(
            schedule=schedule,
            paused=description.schedule.state.paused,
            next_times=_coming(description.info.next_action_times),
            firings=await last_firings(self._client, description, self._rpc_timeout),
        )

    async def _listing(self, tenant: str, entry: ScheduleListDescription) -> ScheduleListing | None:
        # The query is exact for most tenants' names only; this is what keeps tenants apart.
        if entry.typed_search_attributes.get(names.NOTIFICATION_TENANT) != tenant:
            return None
        if entry.schedule is None or entry.info is None:
            return None
        shown = await entry.memo_value(names.SCHEDULE_MEMO, None, type_hint=ScheduleMemo)
        if shown is None:  # made by hand, not by us
            return None
        return ScheduleListing(
            id=names.id_of_schedule(entry.id),
            channel=shown.channel,
            timing=shown.timing,
            created_at=shown.created_at,
            paused=entry.schedule.state.paused,
            next_times=_coming(entry.info.next_action_times),
        )

    @asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        """One call of ours, which may be several of Temporal's and the making of the connection."""
        try:
            with translated():
                async with asyncio.timeout(self._timeout):
                    yield
        except TimeoutError as error:
            raise OrchestratorUnavailable("Temporal did not answer in time.") from error


def _query(tenant: str) -> str:
    # In a quoted string Temporal understands no escape but that of the quote: what else needs one ends
    # the name here, and the entries that come back are looked through.
    plain = re.match(r'[^"\\]*', tenant)
    name = plain[0] if plain else ""
    operator = "=" if name == tenant else "STARTS_WITH"
    quoted = name.replace("'", "''")
    return f"{names.NOTIFICATION_TENANT.name} {operator} '{quoted}'"


def _coming(times: Sequence[datetime]) -> list[datetime]:
    # A list shows what the schedule said of itself when it last did anything.
    now = datetime.now(UTC)
    return [time for time in times if time > now][:SHOWN_TIMES]


def _never_fires(timing: Timing) -> InvalidSubmission:
    if timing.ends_at is not None:
        return InvalidSubmission("/ends_at", "leaves no time at which the schedule would fire")
    if timing.starts_at is not None:
        return InvalidSubmission("/starts_at", "leaves no time at which the schedule would fire")
    return InvalidSubmission("/cron", "has no time at which the schedule would fire")
