"""Many submissions at once: the body of `POST /v1/notifications/bulk`, and its answer."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SkipValidation, ValidationError

from api import problems
from api.problems import FieldError, Problem, ProblemDetails
from api.schemas.notification import NotificationView
from api.schemas.submission import Submission
from api.validation import field_errors, pointer
from tidings.domain.idempotency import LONGEST_KEY, checked_key

MOST_ITEMS = 1_000
KEY = "idempotency_key"
KEY_POINTER = pointer([KEY])


class BulkItem(Submission):
    """A notification to deliver, one of many."""

    idempotency_key: (
        Annotated[str, Field(min_length=1, max_length=LONGEST_KEY, pattern="^[!-~]*$")] | None
    ) = Field(default=None, description="What the header Idempotency-Key is to a single submission.")


class BulkSubmission(BaseModel):
    """Notifications to deliver. Each is accepted or refused by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    notifications: Annotated[list[SkipValidation[BulkItem]], Field(min_length=1, max_length=MOST_ITEMS)] = (
        Field(description="Looked into one by one.")
    )


class BulkAccepted(BaseModel):
    """One item's 201."""

    status: Literal[201] = 201
    replayed: bool = Field(description="Whether an earlier submission with this key made the notification.")
    notification: NotificationView


class BulkRefused(BaseModel):
    """What one item would have been answered alone. Its pointers lead into the item."""

    status: int
    problem: ProblemDetails


class BulkAnswer(BaseModel):
    """One answer an item, in the order of the items."""

    data: list[BulkAccepted | BulkRefused]


@dataclass(frozen=True, slots=True)
class Item:
    """One decoded item: what a single submission's body would be, and its key beside it."""

    document: Any
    key: str | None = None


def documents_from(document: Any) -> list[Any]:
    """The items of a decoded body, not looked into. Raises Problem (422)."""
    try:
        return list(BulkSubmission.model_validate(document).notifications)
    except ValidationError as error:
        errors = field_errors(error.errors(include_url=False, include_input=False))
        raise Problem(problems.VALIDATION, "Nothing was submitted.", errors=errors) from None


def item_from(document: Any) -> Item:
    """Take the key out of a decoded item. Raises Problem (422) for what is no key."""
    if not isinstance(document, dict):
        return Item(document)  # refused by the rules for bodies
    if document.get(KEY) is None:
        return Item(_without_key(document))
    try:
        if not isinstance(document[KEY], str):
            raise ValueError("must be a string")
        return Item(_without_key(document), checked_key(document[KEY]))
    except ValueError as fault:
        errors = [FieldError(pointer=KEY_POINTER, detail=str(fault))]
        raise Problem(problems.VALIDATION, "The idempotency_key is not valid.", errors=errors) from None


def _without_key(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != KEY}
