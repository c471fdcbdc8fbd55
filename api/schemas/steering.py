"""The optional bodies of `cancel` and `retry`."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api import problems
from api.problems import FieldError, Problem
from api.schemas.fields import Line, Moment
from api.validation import field_errors
from tidings.messages.delivery import SignalNote


class CancelBody(BaseModel):
    """Why it is cancelled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Annotated[Line, Field(max_length=200)] | None = Field(
        default=None, description="Shown in the workflow's trace."
    )


class RetryBody(CancelBody):
    """Why it is retried, and until when."""

    expires_at: Moment | None = Field(
        default=None,
        description="No attempt begins at or after this time, instead of what the notification said before. "
        "Without it, a notification that has expired is sent all the same.",
    )


def note_from(document: Any, body: type[CancelBody], *, now: datetime) -> SignalNote | None:
    """What to signal, if anything is to be said. Raises Problem (422) naming each field at fault."""
    try:
        given = body.model_validate(document)
    except ValidationError as error:
        faults = field_errors(error.errors(include_url=False, include_input=False))
        raise Problem(problems.VALIDATION, "Some fields are not valid.", errors=faults) from None
    note = SignalNote.model_validate(dict(given))
    if note.expires_at is not None and note.expires_at <= now:
        fault = FieldError(pointer="/expires_at", detail="must be in the future")
        raise Problem(problems.VALIDATION, "Some fields are not valid.", errors=[fault])
    return note if note != SignalNote() else None
