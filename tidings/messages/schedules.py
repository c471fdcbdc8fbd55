"""What the API, a schedule and the workflow it starts say to one another."""

from datetime import datetime
from uuid import UUID

from tidings.domain.schedule import Schedule, Timing
from tidings.domain.vocabulary import Channel
from tidings.messages.delivery import Message, TenantMessage


class FireRequest(TenantMessage):
    """Starts the workflow `FireSchedule`: the schedule, whole, for it is stored nowhere else."""

    schedule: Schedule

    @property
    def tenant(self) -> str:
        """The schedule's."""
        return self.schedule.tenant


class FireResult(Message):
    """What the workflow ends with: the notification it made."""

    notification_id: UUID


class ScheduleMemo(Message):
    """What lists show of a schedule. A memo can be read by every operator: no personal data."""

    channel: Channel
    timing: Timing
    created_at: datetime
