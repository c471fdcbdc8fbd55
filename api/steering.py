"""Cancel and retry: a signal to the workflow, then a look at what came of it. Neither needs Postgres."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from api import problems
from api.problems import Problem
from api.service import NotificationService
from tidings.domain.caller import Caller
from tidings.domain.notification import DeliveryState
from tidings.domain.record import NotificationRecord
from tidings.domain.vocabulary import PARKED, KeyMode, Status
from tidings.errors import OrchestratorUnavailable
from tidings.messages.delivery import SignalNote
from tidings.temporal.notifications import NotificationWorkflows

_FIRST_LOOK = 0.02
_SLOWEST_LOOK = 0.25
_RETRIABLE = PARKED | {Status.RETRYING}


@dataclass(frozen=True, slots=True)
class Steered:
    """The notification afterwards. `done` is False if the signal is safe but has not shown its effect yet."""

    record: NotificationRecord
    done: bool


class Steering:
    """Raises NotFound, OrchestratorUnavailable, or Problem: 403 (the key is of the other mode) or 409."""

    def __init__(
        self, service: NotificationService, workflows: NotificationWorkflows, *, wait: float
    ) -> None:
        """`wait`: seconds to look for a signal's effect."""
        self._service = service
        self._workflows = workflows
        self._wait = wait

    async def cancel(self, caller: Caller, notification_id: UUID, note: SignalNote | None = None) -> Steered:
        """Stop the notification. One that is cancelled already has nothing left to stop."""
        record = await self._own(caller, notification_id)
        status, is_silent = record.state.status, False
        if status.is_parked:
            # The row may lag behind a `retry` that has revived it, or is about to.
            report = await self._workflows.status(notification_id)
            record = record.overlaid(report.state if report else None)
            status = record.state.status
            is_silent = report is None and await self._workflows.is_open(notification_id)
        if status.is_final and not is_silent:
            raise _too_late(status)
        if await self._workflows.cancel(notification_id, note):
            seen = await self._look(notification_id, lambda state: state.status.is_final)
        else:
            seen = await self._last_state(caller.tenant, notification_id)
            _refuse_if_abandoned(seen)
        record = record.overlaid(seen)
        status = record.state.status
        if status.is_final and status is not Status.CANCELLED and (seen is not None or not is_silent):
            raise _too_late(status)
        return Steered(record, done=status is Status.CANCELLED)

    async def retry(self, caller: Caller, notification_id: UUID, note: SignalNote | None = None) -> Steered:
        """Begin a new attempt now, by the workflow that waits for it or by a new one."""
        record = await self._own(caller, notification_id)
        report = await self._workflows.status(notification_id)
        is_news = report is None or report.state.revision < record.state.revision
        record = record.overlaid(report.state if report else None)
        status, revision = record.state.status, record.state.revision
        # A workflow that was ended from outside has left the notification amid its way.
        if status not in _RETRIABLE and (status.is_final or await self._workflows.is_open(notification_id)):
            raise _conflict(status, "only one that is failed, unknown, expired or retrying can be retried")
        await self._workflows.retry(record, note, is_news=is_news)
        count = record.state.attempt_count

        def has_shown(state: DeliveryState) -> bool:
            return state.attempt_count > count or (state.revision > revision and state.status.is_final)

        seen = await self._look(notification_id, has_shown)
        if seen is None or not has_shown(seen):
            return Steered(record.overlaid(seen), done=False)
        if seen.attempt_count == count:
            raise _conflict(seen.status, "something else came first")
        return Steered(record.overlaid(seen), done=True)

    async def _own(self, caller: Caller, notification_id: UUID) -> NotificationRecord:
        record = await self._service.get(caller.tenant, notification_id)
        refuse_other_mode(caller, record.notification.mode)
        return record

    async def _look(
        self, notification_id: UUID, enough: Callable[[DeliveryState], bool]
    ) -> DeliveryState | None:
        """The workflow's state as soon as it is `enough`, or the last one seen when the time is up."""
        seen: DeliveryState | None = None
        pause = _FIRST_LOOK
        try:
            async with asyncio.timeout(self._wait):
                while True:
                    report = await self._workflows.status(notification_id)
                    if report is not None:
                        seen = report.state
                        if enough(seen):
                            return seen
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, _SLOWEST_LOOK)
        except (TimeoutError, OrchestratorUnavailable):
            # The signal is taken, and Temporal keeps it: only its effect has not been seen.
            return seen

    async def _last_state(self, tenant: str, notification_id: UUID) -> DeliveryState | None:
        found = await self._workflows.find(tenant, notification_id)
        return found.state if found else None


def refuse_other_mode(caller: Caller, mode: KeyMode) -> None:
    """A test key must set nothing going that leaves the sandbox. Raises Problem (403)."""
    if caller.mode is not mode:
        raise Problem(problems.WRONG_MODE, f"It is of mode {mode}: a {caller.mode} key cannot change it.")


def _conflict(status: Status, why: str) -> Problem:
    return Problem(
        problems.WRONG_STATUS, f"The notification is {status}: {why}.", notification_status=status.value
    )


def _too_late(status: Status) -> Problem:
    return _conflict(status, "there is nothing left to cancel")


def _refuse_if_abandoned(state: DeliveryState | None) -> None:
    """A workflow that was terminated by hand is closed without any final status."""
    if state is None or not state.status.is_final:
        raise Problem(
            problems.WRONG_STATUS,
            "The notification's workflow was ended from outside: nothing more is sent unless it is retried.",
            notification_status=state.status.value if state else None,
        )
