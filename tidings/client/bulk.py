"""Many notifications in one call: what is asked, and what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pydantic import BaseModel

from tidings.client.errors import ApiProblem, UnexpectedAnswer, problem_of
from tidings.client.fields import MessageFields, document_of
from tidings.client.models import Notification
from tidings.client.transport import Answered


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of one: exactly one of `notification` and `problem` is there.

    Sent again under the same `idempotency_key`, it is not sent twice.
    """

    status: int
    idempotency_key: str
    notification: Notification | None
    problem: ApiProblem | None

    def accepted(self) -> Notification:
        """The notification. Raises the ApiProblem if it was refused."""
        if self.notification is None:
            raise self.problem or UnexpectedAnswer(self.status, "neither a notification nor a problem")
        return self.notification


class _Item(BaseModel):
    status: int
    notification: Notification | None = None
    problem: dict[str, Any] | None = None


class _Answer(BaseModel):
    data: list[_Item]


def bulk_document(messages: Sequence[MessageFields]) -> dict[str, Any]:
    """The body of the call: each item has an idempotency key, made up where it brought none."""
    made = [document_of(message) for message in messages]
    return {"notifications": [{"idempotency_key": str(uuid4())} | document for document in made]}


def bulk_results(document: dict[str, Any], answered: Answered) -> list[BulkResult]:
    """What became of each, in the order of the call. Raises UnexpectedAnswer."""
    asked, items = document["notifications"], answered.as_model(_Answer).data
    if len(items) != len(asked):
        raise UnexpectedAnswer(
            answered.status, f"it tells of {len(items)} notifications, not of {len(asked)}"
        )
    return [_result(answered, each["idempotency_key"], item) for each, item in zip(asked, items, strict=True)]


def _result(answered: Answered, key: str, item: _Item) -> BulkResult:
    if item.notification is not None:
        return BulkResult(item.status, key, item.notification, None)
    if item.problem is None:
        raise UnexpectedAnswer(answered.status, "an item is neither a notification nor a problem")
    return BulkResult(item.status, key, None, problem_of(item.status, item.problem))
