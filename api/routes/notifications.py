"""`/v1/notifications`: submit, get, list, cancel, retry."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from starlette.convertors import StringConvertor, register_url_convertor

from api import openapi
from api.body import read_json
from api.composition import Parts
from api.dependencies import Caller, PartsOfApp, Tenant
from api.idempotency_key import key_of
from api.middleware import SUBMISSION, named
from api.schemas.listing import ListQuery, NotificationPage, cursor_of, position_from_cursor
from api.schemas.notification import NotificationDetails, NotificationView, WorkflowView
from api.schemas.steering import CancelBody, RetryBody, note_from
from api.steering import Steered
from tidings.domain.record import NotificationRecord
from tidings.domain.vocabulary import Channel
from tidings.errors import NotFound
from tidings.messages.delivery import SignalNote
from tidings.temporal import names

PATH = "/v1/notifications"

router = APIRouter(prefix=PATH, tags=["notifications"])


class _NotBulk(StringConvertor):
    """So that a GET of /v1/notifications/bulk is a wrong method there, not an id that nobody has."""

    regex = "(?!bulk(?:/|$))[^/]+"


register_url_convertor("not_bulk", _NotBulk())


@router.post(
    "",
    status_code=201,
    response_model=NotificationView,
    responses=openapi.problems(400, 401, 413, 415, 422, 503) | openapi.CREATED,
    openapi_extra=openapi.SUBMISSION,
)
@router.post("/", status_code=201, include_in_schema=False)
async def submit(request: Request, parts: PartsOfApp, caller: Caller) -> Response:
    """Submit a notification.

    The 201 is a promise: from then on the notification survives any crash, whether or not Postgres
    is up; but attachments are stored there first, so with them it is needed. After a 503 nothing is
    promised; with an `Idempotency-Key` it is safe to ask again.
    """
    request.scope[SUBMISSION] = None
    key = key_of(request)
    document = await read_json(request, parts.settings.max_submission_bytes)
    request.scope[SUBMISSION] = channel_in(document)
    submitted = await parts.submitting.submit(caller, document, key)
    named(submitted.record.notification.id)
    view = NotificationView.of(submitted.record, workflow_view(parts, submitted.record))
    headers = {"Location": f"{PATH}/{view.id}"}
    if submitted.replayed:
        headers[openapi.REPLAYED] = "true"
    return _json(view, 201, headers)


@router.get("", response_model=NotificationPage, responses=openapi.problems(400, 401, 422, 503))
@router.get("/", include_in_schema=False)
async def list_notifications(
    parts: PartsOfApp, tenant: Tenant, query: Annotated[ListQuery, Query()]
) -> Response:
    """List notifications, newest first.

    By `page`, which counts all that match, or by the `next_cursor` of the list before, which counts
    nothing and is as fast on the last page as on the first.
    """
    number: int | None = None
    if query.cursor is None:
        number = query.page or 1
        page = await parts.service.page(tenant, query.filter(), number, query.per_page)
    else:
        after = position_from_cursor(tenant, query.cursor)
        page = await parts.service.after(tenant, query.filter(), after, query.per_page)
    answer = NotificationPage(
        data=[NotificationView.of(record, workflow_view(parts, record)) for record in page.records],
        total=page.total,
        page=number,
        per_page=query.per_page,
        next_cursor=cursor_of(tenant, page.next_after) if page.next_after else None,
    )
    return _json(answer, 200)


@router.get(
    "/{notification_id:not_bulk}",
    response_model=NotificationDetails,
    responses=openapi.problems(401, 404, 405, 503),
)
async def get(notification_id: str, parts: PartsOfApp, tenant: Tenant) -> Response:
    """Get a notification with its body and its attempts.

    An id that a 201 has named is always found: while there is no row of it yet, or no Postgres, its
    workflow answers (and lists no attempts).
    """
    record = await parts.service.get(tenant, _parsed(notification_id))
    return _json(NotificationDetails.of(record, workflow_view(parts, record)), 200)


@router.post(
    "/{notification_id}/cancel",
    response_model=NotificationView,
    responses=openapi.problems(400, 401, 403, 404, 409, 413, 415, 422, 503)
    | openapi.accepted("An attempt is still under way."),
    openapi_extra=openapi.CANCEL_BODY,
)
async def cancel(notification_id: str, request: Request, parts: PartsOfApp, caller: Caller) -> Response:
    """Cancel a notification.

    200: it is cancelled. 409: it is too late. 202: an attempt is still under way; it ends as `cancelled`
    or `sent`, and nothing more is sent.
    """
    note = await _note(request, parts, CancelBody)
    return _steered(parts, await parts.steering.cancel(caller, _parsed(notification_id), note))


@router.post(
    "/{notification_id}/retry",
    response_model=NotificationView,
    responses=openapi.problems(400, 401, 403, 404, 409, 413, 415, 422, 503)
    | openapi.accepted("No worker has begun with it yet."),
    openapi_extra=openapi.RETRY_BODY,
)
async def retry(notification_id: str, request: Request, parts: PartsOfApp, caller: Caller) -> Response:
    """Retry a notification now, however long ago it was.

    From `failed`, `unknown` or `expired` a new attempt starts; from `retrying` the wait is cut short.
    202: the wish is safe, but no worker has begun with it yet.
    """
    note = await _note(request, parts, RetryBody)
    return _steered(parts, await parts.steering.retry(caller, _parsed(notification_id), note))


async def _note(request: Request, parts: Parts, body: type[CancelBody]) -> SignalNote | None:
    document = await read_json(request, parts.settings.max_body_bytes, optional=True)
    return note_from(document, body, now=datetime.now(UTC))


def channel_in(document: Any) -> Channel | None:
    """The channel a submission names, whatever else is wrong with it."""
    named = document.get("channel") if isinstance(document, dict) else None
    return next((channel for channel in Channel if channel == named), None)


def _parsed(notification_id: str) -> UUID:
    """The id in a path. What cannot be an id of ours names no notification: NotFound."""
    try:
        parsed = UUID(notification_id)
    except ValueError:
        raise NotFound(notification_id) from None
    # UUID() takes braces and other spellings too; each thing shall have one address.
    if str(parsed) != notification_id.lower():
        raise NotFound(notification_id)
    named(parsed)
    return parsed


def workflow_view(parts: Parts, record: NotificationRecord) -> WorkflowView:
    notification_id = record.notification.id
    return WorkflowView(id=names.workflow_id(notification_id), url=parts.workflows.url(notification_id))


def _steered(parts: Parts, steered: Steered) -> Response:
    view = NotificationView.of(steered.record, workflow_view(parts, steered.record))
    return _json(view, 200 if steered.done else 202)


def _json(model: BaseModel, status: int, headers: dict[str, str] | None = None) -> Response:
    # Serialised here, in one step: the framework would validate the model a second time first.
    return Response(model.model_dump_json(), status, headers, media_type="application/json")
