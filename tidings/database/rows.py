"""Rows to domain models, and back."""

from collections.abc import Mapping
from typing import Any

from tidings.database.tables import notifications
from tidings.domain.api_key import ApiKey
from tidings.domain.notification import Attempt, DeliveryError, DeliveryState, Notification
from tidings.domain.receipt import Receipt

STATE_COLUMNS = (
    "status",
    "revision",
    "attempt_count",
    "automatic_attempts",
    "provider",
    "provider_reference",
    "error_code",
    "error_message",
    "next_attempt_at",
    "expires_at",
    "sent_at",
    "delivered_at",
    "updated_at",
)
"""The columns of `notifications` that change."""
NOTIFICATION_COLUMNS = tuple(name for name in notifications.c.keys() if name not in STATE_COLUMNS)  # noqa: SIM118
"""The columns of `notifications` that never change."""
ATTEMPT_COLUMNS = (
    "number",
    "provider",
    "outcome",
    "error_code",
    "error_message",
    "provider_reference",
    "misconfigured",
    "retry_after",
    "response",
    "started_at",
    "finished_at",
)
"""The columns of `delivery_attempts` that an `Attempt` is made of."""

RECEIPT_COLUMNS = (
    "provider",
    "event_id",
    "kind",
    "provider_reference",
    "error_code",
    "error_message",
    "occurred_at",
    "notification_id",
)
"""The columns of `receipts` that a `Receipt` is made of."""


def notification_values(notification: Notification) -> dict[str, Any]:
    """The columns of a notification that never change."""
    values = dict(notification)
    values["pinned_provider"] = values.pop("provider")
    listed = [attachment.model_dump(exclude_none=True) for attachment in notification.attachments]
    values["attachments"] = listed or None
    del values["expires_at"]  # the state's, which begins with the notification's
    return values


def state_values(state: DeliveryState) -> dict[str, Any]:
    """The columns of a notification that change."""
    return _with_flat_error(dict(state))


def attempt_values(attempt: Attempt) -> dict[str, Any]:
    """The columns of an attempt, but for whose it is and who claimed it."""
    return _with_flat_error(dict(attempt) | {"response": storable(attempt.response)})


def notification_from(row: Mapping[str, Any]) -> Notification:
    """The notification as accepted."""
    values = {name: row[name] for name in NOTIFICATION_COLUMNS}
    values["provider"] = values.pop("pinned_provider")
    values["attachments"] = values["attachments"] or []
    values["expires_at"] = row["expires_at"]
    return Notification.model_validate(values)


def state_from(row: Mapping[str, Any]) -> DeliveryState:
    """The state delivery has brought the notification to."""
    return DeliveryState.model_validate(_with_deep_error({name: row[name] for name in STATE_COLUMNS}))


def attempt_from(row: Mapping[str, Any]) -> Attempt:
    """An attempt, from a row or from JSON with the same names."""
    return Attempt.model_validate(_with_deep_error({name: row[name] for name in ATTEMPT_COLUMNS}))


def receipt_from(row: Mapping[str, Any]) -> Receipt:
    """A receipt, from JSON with the columns' names. Whom it put on a list, the list knows."""
    return Receipt.model_validate(_with_deep_error({name: row[name] for name in RECEIPT_COLUMNS}))


def api_key_from(row: Mapping[str, Any]) -> ApiKey:
    """A key without its hash."""
    return ApiKey.model_validate({name: row[name] for name in ApiKey.model_fields})


def _with_flat_error(values: dict[str, Any]) -> dict[str, Any]:
    error: DeliveryError | None = values.pop("error")
    values["error_code"] = storable(error.code if error else None)
    values["error_message"] = storable(error.message if error else None)
    values["provider_reference"] = storable(values["provider_reference"])
    return values


def _with_deep_error(values: dict[str, Any]) -> dict[str, Any]:
    code, message = values.pop("error_code"), values.pop("error_message")
    values["error"] = None if code is None else DeliveryError(code=code, message=message or "")
    return values


def storable(text: str | None) -> str | None:
    """A provider's words, made fit for Postgres text, which holds neither NUL nor lone surrogates.

    The record of an attempt must not fail for ever because a server's reply was binary.
    """
    if text is None:
        return None
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
