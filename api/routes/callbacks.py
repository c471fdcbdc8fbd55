"""`/v1/callbacks/{provider}`: where providers send their receipts. No API key: each signs in its own way."""

from fastapi import APIRouter, Request, Response

from api import openapi
from api.body import read_body
from api.dependencies import PartsOfApp
from tidings.providers.callbacks.protocol import CallbackRequest

router = APIRouter(prefix="/v1/callbacks", tags=["callbacks"])


@router.post(
    "/{provider}",
    status_code=204,
    responses=openapi.problems(400, 403, 404, 413, 503),
    openapi_extra=openapi.CALLBACK_BODY,
)
async def take(provider: str, request: Request, parts: PartsOfApp) -> Response:
    """Take a provider's receipts.

    For providers only: a request without the provider's signature is answered `403`. A repetition, and a
    receipt that comes late or out of order, is answered `204` and changes nothing.
    """
    body = await read_body(request, parts.settings.max_body_bytes)
    headers = {name.lower(): value for name, value in request.headers.items()}
    await parts.callbacks.take(provider, CallbackRequest(_url(request, parts.public_url), headers, body))
    return Response(status_code=204)


def _url(request: Request, public_url: str | None) -> str:
    """The URL as the provider knows it. Which part of it is escaped how is part of what it has signed."""
    path = request.scope.get("raw_path") or request.url.path.encode()
    query = request.scope["query_string"]
    base = (public_url or str(request.base_url)).rstrip("/")
    return base + path.decode("latin-1") + ("?" + query.decode("latin-1") if query else "")
