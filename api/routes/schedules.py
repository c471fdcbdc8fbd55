"""`/v1/schedules`: create, get, list, pause, resume, delete."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from api import openapi, problems
from api.body import read_json
from api.composition import Parts
from api.dependencies import Caller, PartsOfApp, Tenant
from api.problems import FieldError, Problem
from api.schemas.schedule import (
    FiringView,
    ScheduleDetails,
    ScheduleListQuery,
    SchedulePageView,
    ScheduleView,
    cursor_of,
    token_from,
)
from api.schemas.schedule_submission import invalid, schedule_from
from api.steering import refuse_other_mode
from tidings.domain.identifiers import new_id
from tidings.domain.schedule import ScheduleRecord
from tidings.errors import InvalidSubmission

PATH = "/v1/schedules"

router = APIRouter(prefix=PATH, tags=["schedules"])


@router.post(
    "",
    status_code=201,
    response_model=ScheduleDetails,
    responses=openapi.problems(400, 401, 413, 415, 422, 503) | openapi.SCHEDULE_CREATED,
    openapi_extra=openapi.SCHEDULE_BODY,
)
@router.post("/", status_code=201, include_in_schema=False)
async def create(request: Request, parts: PartsOfApp, caller: Caller) -> Response:
    """Create a schedule: a notification of its own at each firing.

    One that would never fire is refused. After a 503 nothing is promised: should Temporal have gone away
    in the very moment of the call, there may be a schedule all the same; the list shows it.
    """
    if "Idempotency-Key" in request.headers:
        # Ignoring it would make two schedules of what the caller means to be one.
        raise Problem(problems.BAD_REQUEST, "Schedules do not support Idempotency-Key: send without it.")
    document = await read_json(request, parts.settings.max_body_bytes)
    if isinstance(document, dict) and "notification" in document:
        template = await parts.tenants.with_defaults(caller.tenant, document["notification"])
        document = document | {"notification": template}
    schedule, paused = schedule_from(
        document,
        id=new_id(),
        tenant=caller.tenant,
        now=datetime.now(UTC),
        mode=caller.mode,
        most_segments=parts.settings.sms_max_segments,
    )
    try:
        record = await parts.schedules.create(schedule, paused=paused)
    except InvalidSubmission as error:
        raise invalid([FieldError(pointer=error.pointer, detail=error.detail)]) from None
    return _json(_details(parts, record), 201, {"Location": f"{PATH}/{schedule.id}"})


@router.get("", response_model=SchedulePageView, responses=openapi.problems(400, 401, 422, 503))
@router.get("/", include_in_schema=False)
async def list_schedules(
    parts: PartsOfApp, tenant: Tenant, query: Annotated[ScheduleListQuery, Query()]
) -> Response:
    """List schedules, in no set order, without what they send.

    Temporal's list lags behind by a moment: a new schedule is found by its id at once, and here soon after.
    """
    token = None if query.cursor is None else token_from(tenant, query.cursor)
    page = await parts.schedules.page(tenant, query.per_page, token)
    answer = SchedulePageView(
        data=[ScheduleView.of(listing, parts.schedules.url(listing.id)) for listing in page.schedules],
        next_cursor=cursor_of(tenant, page.next_token) if page.next_token else None,
    )
    return _json(answer, 200)


@router.get("/{schedule_id}", response_model=ScheduleDetails, responses=openapi.problems(401, 404, 503))
async def get(schedule_id: str, parts: PartsOfApp, tenant: Tenant) -> Response:
    """Get a schedule with what it sends, its next times and its latest firings.

    All that it has fired: `GET /v1/notifications?schedule=<id>`.
    """
    return _answer(parts, await parts.schedules.find(tenant, _parsed(schedule_id)))


@router.post(
    "/{schedule_id}/pause", response_model=ScheduleDetails, responses=openapi.problems(401, 403, 404, 503)
)
async def pause(schedule_id: str, parts: PartsOfApp, caller: Caller) -> Response:
    """Pause a schedule. One that is paused stays so."""
    id = await _own(parts, caller, schedule_id)
    return _answer(parts, await parts.schedules.pause(caller.tenant, id))


@router.post(
    "/{schedule_id}/resume", response_model=ScheduleDetails, responses=openapi.problems(401, 403, 404, 503)
)
async def resume(schedule_id: str, parts: PartsOfApp, caller: Caller) -> Response:
    """Let a paused schedule fire again. What fell into the pause is not made up."""
    id = await _own(parts, caller, schedule_id)
    return _answer(parts, await parts.schedules.resume(caller.tenant, id))


@router.delete("/{schedule_id}", status_code=204, responses=openapi.problems(401, 403, 404, 503))
async def delete(schedule_id: str, parts: PartsOfApp, caller: Caller) -> Response:
    """Delete a schedule. Notifications that it has fired are not touched."""
    if not await parts.schedules.delete(caller.tenant, await _own(parts, caller, schedule_id)):
        raise _not_found()
    return Response(status_code=204)


async def _own(parts: Parts, caller: Caller, schedule_id: str) -> UUID:
    """The id of a schedule that this key may change. Raises Problem: 404, or 403 for another mode."""
    id = _parsed(schedule_id)
    found = await parts.schedules.find(caller.tenant, id)
    if found is None:
        raise _not_found()
    refuse_other_mode(caller, found.schedule.mode)
    return id


def _parsed(schedule_id: str) -> UUID:
    try:
        parsed = UUID(schedule_id)
    except ValueError:
        raise _not_found() from None
    # UUID() takes braces and other spellings too; each thing shall have one address.
    if str(parsed) != schedule_id.lower():
        raise _not_found()
    return parsed


def _not_found() -> Problem:
    return Problem(problems.NOT_FOUND, "There is no schedule with this id.")


def _answer(parts: Parts, record: ScheduleRecord | None) -> Response:
    if record is None:
        raise _not_found()
    return _json(_details(parts, record), 200)


def _details(parts: Parts, record: ScheduleRecord) -> ScheduleDetails:
    firings = [
        FiringView.of(firing, parts.schedules.firing_url(firing.workflow_id)) for firing in record.firings
    ]
    return ScheduleDetails.of_record(record, parts.schedules.url(record.schedule.id), firings)


def _json(model: BaseModel, status: int, headers: dict[str, str] | None = None) -> Response:
    # Serialised here, in one step: the framework would validate the model a second time first.
    return Response(model.model_dump_json(), status, headers, media_type="application/json")
