"""`/v1/suppressions`: who gets nothing more, and how to take them off the list."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api import openapi, problems
from api.dependencies import Administrator, PartsOfApp, Reader
from api.problems import Problem
from api.schemas.listing import cursor_of, position_from_cursor
from api.schemas.suppression import SuppressionPage, SuppressionQuery, SuppressionView
from tidings.domain.record import Position

router = APIRouter(prefix="/v1/suppressions", tags=["suppressions"])


@router.get("", response_model=SuppressionPage, responses=openapi.problems(400, 401, 422, 503))
@router.get("/", include_in_schema=False)
async def list_suppressions(
    parts: PartsOfApp, caller: Reader, query: Annotated[SuppressionQuery, Query()]
) -> Response:
    """List suppressed recipients, newest first: those of the key's mode, live or test."""
    after = position_from_cursor(caller.tenant, query.cursor) if query.cursor is not None else None
    # One more than asked for says whether there is a next page.
    found = await parts.suppressions.after(
        caller.tenant,
        after,
        query.per_page + 1,
        mode=caller.mode,
        channel=query.channel,
        recipient=query.recipient,
    )
    shown = found[: query.per_page]
    more = len(found) > query.per_page
    page = SuppressionPage(
        data=[SuppressionView.of(suppression) for suppression in shown],
        per_page=query.per_page,
        next_cursor=cursor_of(caller.tenant, Position(shown[-1].created_at, shown[-1].id)) if more else None,
    )
    return Response(page.model_dump_json(), media_type="application/json")


@router.delete("/{suppression_id}", status_code=204, responses=openapi.problems(401, 404, 503))
async def remove(suppression_id: str, parts: PartsOfApp, caller: Administrator) -> Response:
    """Take a recipient off the list: later notifications, and retries, are sent again."""
    try:
        removed = await parts.suppressions.remove(caller.tenant, UUID(suppression_id), mode=caller.mode)
    except ValueError:
        removed = None
    if removed is None:
        raise Problem(problems.NOT_FOUND, "There is no suppression with this id.")
    return Response(status_code=204)
