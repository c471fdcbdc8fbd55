"""What the timeline in the Temporal Web UI says of each step. At most 200 bytes, without personal data."""

from datetime import datetime

from tidings.domain.notification import DeliveryState
from tidings.domain.vocabulary import Status
from tidings.messages.delivery import PersistRequest, RecordRequest, SendRequest, WithdrawRequest
from tidings.temporal.encryption.clear_text import InClear
from tidings.temporal.story import SUMMARY_BYTES, fitted
from workflows.story.reasons import shown_code

RECEIPT_SUMMARY = InClear("record the receipt, as soon as Postgres answers")


def attempt_summary(request: SendRequest) -> InClear:
    """An attempt: by whom, and, where it has to wait, until when and after what."""
    said = f"attempt {request.number} by {request.provider}"
    if request.channel is None:
        said += " (test mode)"
    state = request.state
    if state.status is Status.SENDING:
        said += ", asks what became of it: its worker was lost"
    elif not request.terms.automatic:
        said += ", by hand"
    elif request.due is not None:
        said += _wait(request.due, state)
    return fitted(said, SUMMARY_BYTES)


def step_summary(
    request: PersistRequest | RecordRequest | WithdrawRequest, *, patiently: bool = False
) -> InClear:
    """A step of the record; `patiently`: for as long as Postgres does not answer."""
    return InClear(_step(request) + (", as soon as Postgres answers" if patiently else ""))


def _step(request: PersistRequest | RecordRequest | WithdrawRequest) -> str:
    if isinstance(request, PersistRequest):
        return "put into the database"
    if isinstance(request, WithdrawRequest):
        return f"record {request.state.status}, unless attempt {request.number} has begun"
    after = f" after attempt {request.attempt.number}" if request.attempt else ""
    return f"record {request.state.status}{after}"


def send_at_summary(send_at: datetime) -> InClear:
    """The wait for `send_at`."""
    return InClear(f"scheduled for {clock(send_at)}")


def no_attempt_fits_summary(until: datetime) -> InClear:
    """The wait in `retrying` where the next attempt would come too late."""
    return InClear(f"no attempt fits before it expires at {clock(until)}")


def parked_summary(status: Status, until: datetime) -> InClear:
    """The wait for a `retry` by hand."""
    return InClear(f"{status}: can be retried until {clock(until)}")


def expiry_summary(at: datetime) -> InClear:
    """The time that ends all waiting."""
    return InClear(f"expires at {clock(at)}")


def clock(time: datetime) -> str:
    """A time as operators compare it with others."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _wait(due: datetime, state: DeliveryState) -> str:
    after = f" after {shown_code(state.error.code)}" if state.error else ""
    if due <= state.updated_at:
        return f", at once{after}"
    shown = f"{due:%H:%M:%S} UTC" if due.date() == state.updated_at.date() else clock(due)
    return f", backoff until {shown}{after}"
