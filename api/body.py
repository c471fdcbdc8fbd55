"""Reading a JSON body within its limits, before anything is made of it."""

import asyncio
from typing import Any

from pydantic_core import from_json
from starlette.requests import Request

from api import problems
from api.problems import Problem

_LARGE = 1_000_000


async def read_json(request: Request, max_bytes: int, *, optional: bool = False) -> Any:
    """The request's body. Raises Problem: 415 for another type, 413 beyond `max_bytes`, 400 if not JSON.

    By RFC 8259 and no more: UTF-8, no NaN or Infinity, no lone surrogates; nesting ends at 200.
    `optional`: no body at all is taken for an empty object.
    """
    if not optional:
        _check_type(request)
    body = await read_body(request, max_bytes)
    if optional:
        if not body:
            return {}
        _check_type(request)
    try:
        if len(body) > _LARGE:
            # Parsing megabytes takes long enough to be noticed by everybody else.
            return await asyncio.to_thread(from_json, body, allow_inf_nan=False)
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        # The parser's message holds a place and a reason, none of the input.
        raise Problem(problems.INVALID_JSON, f"The body is not valid JSON: {error}.") from None


def _check_type(request: Request) -> None:
    media_type, _, parameters = request.headers.get("Content-Type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != "application/json" or charset not in ("", "utf-8"):
        raise Problem(
            problems.UNSUPPORTED_MEDIA_TYPE, "Send the body as UTF-8 with Content-Type: application/json."
        )
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(problems.UNSUPPORTED_MEDIA_TYPE, "Send the body as it is, without Content-Encoding.")


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The request's body as it came. Raises Problem: 413 beyond `max_bytes`."""
    too_large = Problem(problems.TOO_LARGE, f"The body may have at most {max_bytes} bytes.")
    declared = request.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared[:20]) > max_bytes:
        raise too_large
    body = bytearray()
    # A chunked body declares no length, so what arrives is counted all the same.
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)
