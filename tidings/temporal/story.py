"""What a workflow says of itself from its start on, in Temporal's lists and Web UI. No personal data.

Temporal takes 200 bytes of a summary and 20 KB of details (`temporalio.client.Client.start_workflow`).
Everybody who may look into the namespace reads them: they are not sealed.
"""

import json

from tidings.domain.notification import DeliveryState, Notification
from tidings.domain.schedule import Schedule
from tidings.domain.vocabulary import Guarantee, KeyMode, Status
from tidings.temporal.encryption.clear_text import InClear

SUMMARY_BYTES = 200
DETAILS_BYTES = 20_000

DELIVERY_DETAILS = InClear(
    "Delivers one notification: puts it into the database, sends it, attempt by attempt, and records what"
    " came of it.\n\n"
    "**Ends** as `sent` (a provider took it), `delivered` (a receipt says it arrived) or `cancelled`. After"
    " `failed`, `unknown` or `expired` it stays open for the retry window, so that a `retry` goes on with"
    " the same history.\n\n"
    '**Signals**: `retry` tries again now, `cancel` sends nothing more; both take `{"reason": "…"}`.'
    " `tidings show ID` and the query `status` tell where it stands."
)

FIRING_DETAILS = InClear(
    "One firing of a schedule: makes a notification and starts its workflow, which goes on by itself. Its"
    " input is the schedule. There is nothing to signal."
)

RECEIPT_DETAILS = InClear(
    "Keeps a provider's receipt that could not be recorded when it came, and tries for 7 days to record it;"
    " then the notification's workflow looks at it. There is nothing to signal. If it does not end, the"
    " database is away, or the attempt that the receipt speaks of is still under way."
)


def fitted(text: str, limit: int) -> InClear:
    """The text, or as much of it as `limit` bytes of JSON hold, with an ellipsis at its end."""
    if _bytes(text) + 2 <= limit:
        return InClear(text)
    room = limit - 2 - _bytes("…")
    for index, character in enumerate(text):
        room -= _bytes(character)
        if room < 0:
            return InClear(text[:index] + "…")
    return InClear(text)


def _bytes(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) - 2


def delivery_summary(notification: Notification, state: DeliveryState) -> InClear:
    """A notification in one line; `state` is where it is taken up."""
    said = [f"{notification.channel} notification, {notification.priority} priority"]
    if notification.mode is KeyMode.TEST:
        said.append("test mode")
    if notification.guarantee is Guarantee.AT_MOST_ONCE:
        said.append("at most once")
    if state.attempt_count:
        said.append(f"taken up again after attempt {state.attempt_count}")
    elif state.status is Status.SCHEDULED and notification.send_at is not None:
        said.append(f"scheduled for {notification.send_at:%Y-%m-%d %H:%M:%S} UTC")
    return fitted(", ".join(said), SUMMARY_BYTES)


def firing_summary(schedule: Schedule) -> InClear:
    """What a schedule's firings say of themselves."""
    template, timing = schedule.template, schedule.timing
    when = f"cron {timing.cron} {timing.time_zone}" if timing.cron is not None else f"every {timing.every} s"
    said = f"fires a schedule: {template.channel} notification, {template.priority} priority, {when}"
    return fitted(said, SUMMARY_BYTES)


def receipt_summary(provider: str) -> InClear:
    """What a receipt that is kept says of itself."""
    return fitted(f"receipt by {provider}, to be recorded", SUMMARY_BYTES)
