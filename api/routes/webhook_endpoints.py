"""`/v1/webhook-endpoints`: URLs with a secret of their own. For live keys: a test webhook is not signed."""

from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from api import openapi
from api.body import read_json
from api.dependencies import Administrator, PartsOfApp
from api.schemas.webhook_endpoint import (
    EndpointBody,
    EndpointDetails,
    EndpointList,
    EndpointView,
    RotateBody,
    parsed,
)
from api.steering import refuse_other_mode
from api.webhook_endpoints import Disclosed, not_found
from tidings.domain.vocabulary import KeyMode

PATH = "/v1/webhook-endpoints"

router = APIRouter(prefix=PATH, tags=["webhook endpoints"])


@router.post(
    "",
    status_code=201,
    response_model=EndpointDetails,
    responses=openapi.problems(400, 401, 403, 413, 415, 422, 503)
    | openapi.ENDPOINT_CREATED
    | openapi.ENDPOINT_KNOWN,
    openapi_extra=openapi.ENDPOINT_BODY,
)
@router.post("/", status_code=201, include_in_schema=False)
async def add(request: Request, parts: PartsOfApp, caller: Administrator) -> Response:
    """Give a URL a secret of its own: webhooks to it are signed with that from then on, within seconds.

    200, with the same secret, if it has one already.
    """
    refuse_other_mode(caller, KeyMode.LIVE)
    body = parsed(await read_json(request, parts.settings.max_body_bytes), EndpointBody)
    disclosed, is_new = await parts.endpoints.add(caller.tenant, body.url)
    headers = {"Location": f"{PATH}/{disclosed.endpoint.id}"} if is_new else None
    return _json(_details(disclosed), 201 if is_new else 200, headers)


@router.get("", response_model=EndpointList, responses=openapi.problems(401, 403, 503))
@router.get("/", include_in_schema=False)
async def list_endpoints(parts: PartsOfApp, caller: Administrator) -> Response:
    """List all endpoints, newest first, without their secrets."""
    refuse_other_mode(caller, KeyMode.LIVE)
    found = await parts.endpoints.all(caller.tenant)
    return _json(EndpointList(data=[EndpointView.of(endpoint) for endpoint in found]), 200)


@router.get("/{endpoint_id}", response_model=EndpointDetails, responses=openapi.problems(401, 403, 404, 503))
async def get(endpoint_id: str, parts: PartsOfApp, caller: Administrator) -> Response:
    """Get an endpoint with its latest secret."""
    refuse_other_mode(caller, KeyMode.LIVE)
    return _json(_details(await parts.endpoints.get(caller.tenant, _parsed_id(endpoint_id))), 200)


@router.post(
    "/{endpoint_id}/rotate",
    response_model=EndpointDetails,
    responses=openapi.problems(400, 401, 403, 404, 413, 415, 422, 503),
    openapi_extra=openapi.ROTATE_BODY,
)
async def rotate(endpoint_id: str, request: Request, parts: PartsOfApp, caller: Administrator) -> Response:
    """Make a new secret. Until the overlap ends, the one before signs as well."""
    refuse_other_mode(caller, KeyMode.LIVE)
    document = await read_json(request, parts.settings.max_body_bytes, optional=True)
    body = parsed(document, RotateBody)
    overlap = timedelta(seconds=body.overlap_seconds)
    return _json(_details(await parts.endpoints.rotate(caller.tenant, _parsed_id(endpoint_id), overlap)), 200)


@router.delete("/{endpoint_id}", status_code=204, responses=openapi.problems(401, 403, 404, 503))
async def remove(endpoint_id: str, parts: PartsOfApp, caller: Administrator) -> Response:
    """Forget an endpoint and its secret for good: the URL is signed for as any other again."""
    refuse_other_mode(caller, KeyMode.LIVE)
    await parts.endpoints.remove(caller.tenant, _parsed_id(endpoint_id))
    return Response(status_code=204)


def _parsed_id(endpoint_id: str) -> UUID:
    try:
        parsed_id = UUID(endpoint_id)
    except ValueError:
        raise not_found() from None
    # UUID() takes braces and other spellings too; each thing shall have one address.
    if str(parsed_id) != endpoint_id.lower():
        raise not_found()
    return parsed_id


def _details(disclosed: Disclosed) -> EndpointDetails:
    return EndpointDetails.of(disclosed.endpoint, secret=disclosed.secret)


def _json(model: BaseModel, status: int, headers: dict[str, str] | None = None) -> Response:
    # A secret has no place in a cache on the way.
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return Response(model.model_dump_json(), status, headers, media_type="application/json")
