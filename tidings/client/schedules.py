"""`client.schedules`."""

from collections.abc import AsyncIterator
from typing import Unpack
from uuid import UUID

from tidings.client.fields import ScheduleFields, document_of, query_of
from tidings.client.models import Page
from tidings.client.resources import delete, page_of, path_of, walk
from tidings.client.retrying import Repeat
from tidings.client.schedule_models import Schedule, ScheduleDetails
from tidings.client.transport import Transport


class Schedules:
    """Recurring notifications. Every call raises as those of `Tidings` do."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(self, **fields: Unpack[ScheduleFields]) -> ScheduleDetails:
        """Create a schedule. Asked twice there would be two: after a failure that leaves it open whether
        there is one, it is not asked again. Look at the list then.
        """
        answered = await self._transport.call(
            "POST", path_of("schedules"), document=document_of(fields), repeat=Repeat.IF_NOT_BEGUN
        )
        return answered.as_model(ScheduleDetails)

    async def get(self, id: str | UUID) -> ScheduleDetails:
        """A schedule with what it sends, its next times and its latest firings."""
        answered = await self._transport.call("GET", path_of("schedules", id))
        return answered.as_model(ScheduleDetails)

    async def pause(self, id: str | UUID) -> ScheduleDetails:
        """Let it fire no more until `resume`."""
        answered = await self._transport.call("POST", path_of("schedules", id, "pause"))
        return answered.as_model(ScheduleDetails)

    async def resume(self, id: str | UUID) -> ScheduleDetails:
        """Let it fire again; what fell into the pause is not made up."""
        answered = await self._transport.call("POST", path_of("schedules", id, "resume"))
        return answered.as_model(ScheduleDetails)

    async def delete(self, id: str | UUID) -> None:
        """Delete it; what it has fired goes on."""
        await delete(self._transport, path_of("schedules", id))

    async def page(self, *, per_page: int = 20, cursor: str | None = None) -> Page[Schedule]:
        """One page of the list, in no set order."""
        query = query_of({"per_page": per_page, "cursor": cursor})
        return await page_of(self._transport, path_of("schedules"), Schedule, query)

    def list(self) -> AsyncIterator[Schedule]:
        """All schedules, in no set order; one just created appears after a moment."""
        return walk(self._transport, path_of("schedules"), Schedule, {})
