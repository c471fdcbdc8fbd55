"""`/v1/notifications/bulk`: submit many notifications in one request."""

import json

import structlog
from fastapi import APIRouter, Request, Response

from api import openapi, problems
from api.body import read_json
from api.dependencies import Caller, PartsOfApp
from api.error_handlers import problem_of
from api.idempotency_key import HEADER, POINTER
from api.middleware import SUBMISSION
from api.problems import FieldError, Problem
from api.routes.notifications import PATH as NOTIFICATIONS
from api.routes.notifications import channel_in, workflow_view
from api.schemas.bulk import KEY, BulkAccepted, BulkAnswer, documents_from
from api.schemas.notification import NotificationView
from api.submitting import Submitted

PATH = f"{NOTIFICATIONS}/bulk"

router = APIRouter(prefix=PATH, tags=["notifications"])
log = structlog.get_logger("api")


@router.post(
    "",
    status_code=207,
    response_model=BulkAnswer,
    response_description="An answer to each item, in order.",
    responses=openapi.problems(400, 401, 413, 415, 422, 503),
    openapi_extra=openapi.BULK_SUBMISSION,
)
@router.post("/", status_code=207, include_in_schema=False)
async def submit_many(request: Request, parts: PartsOfApp, caller: Caller) -> Response:
    """Submit up to 1,000 notifications.

    The 207 answers each item by itself, in order: a `201` as it would be alone, or the problem that it has;
    its pointers lead into the item. After an item's 503 nothing is promised of it. An item's
    `idempotency_key` is to it what the header is to a single submission.
    """
    request.scope[SUBMISSION] = None
    if HEADER in request.headers:
        # Ignoring it would send twice what is meant to be sent once.
        fault = FieldError(pointer=POINTER, detail=f"is for single submissions: give each item its {KEY}")
        raise Problem(problems.VALIDATION, "Nothing was submitted.", errors=[fault])
    documents = documents_from(await read_json(request, parts.settings.max_bulk_bytes))
    # From here on each item counts as a submission.
    del request.scope[SUBMISSION]

    def answer(place: int, result: Submitted | Exception) -> str:
        channel = channel_in(documents[place])
        if isinstance(result, Submitted):
            view = NotificationView.of(result.record, workflow_view(parts, result.record))
            accepted = BulkAccepted(replayed=result.replayed, notification=view)
            parts.metrics.submitted(channel, accepted.status)
            return accepted.model_dump_json()
        problem = _problem(request, result)
        status = problem.kind.status.value
        parts.metrics.submitted(channel, status)
        details = problems.details(f"{PATH}#/notifications/{place}", problem)
        return json.dumps({"status": status, "problem": details})

    answers = await parts.bulk.submit(caller, documents, answer)
    return Response(f'{{"data":[{",".join(answers)}]}}', 207, media_type="application/json")


def _problem(request: Request, error: Exception) -> Problem:
    try:
        return problem_of(request, error)
    except Exception:
        log.exception("item_failed")
        return Problem(problems.INTERNAL, "This is our fault. Its log lines bear the X-Request-ID.")
