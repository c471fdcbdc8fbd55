"""`/v1/codec` opens payloads for the Temporal Web UI and the `temporal` command; `/codec` signs browsers in.

Not in the OpenAPI description: the protocol is Temporal's, and no client of ours calls it.
"""

import json
from typing import Annotated, Any
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import RedirectResponse

from api import codec_page, problems
from api.body import read_body, read_json
from api.codec_access import CHALLENGE, LIFETIME, Session
from api.codec_payloads import MAX_BODY_BYTES
from api.codec_server import CodecServer
from api.dependencies import PartsOfApp
from api.problems import FieldError, Problem
from tidings.domain.api_key import claims_to_be_key

PAGE = "/codec"
_COOKIE = "tidings-codec"
_SECURE_COOKIE = f"__Host-{_COOKIE}"
"""Browsers keep such a name for what came by HTTPS from this very host (RFC 6265bis, section 4.1.3.2)."""
_LARGEST_FORM = 2_000

log = structlog.get_logger("api.codec")

router = APIRouter(include_in_schema=False)


async def _server(parts: PartsOfApp) -> CodecServer:
    if parts.codec_server is None:
        raise Problem(
            problems.NOT_FOUND,
            "Payloads are not opened here: the operator sets TIDINGS_CODEC_TOKEN (docs/codec-server.md).",
        )
    return parts.codec_server


_Server = Annotated[CodecServer, Depends(_server)]


@router.post("/v1/codec/decode")
async def decode(request: Request, server: _Server) -> Response:
    """Open payloads."""
    who = await _reader(request, server)
    namespace = _namespace(request, server)
    reading = await server.payloads.open(await read_json(request, MAX_BODY_BYTES))
    if reading.opened or reading.unopened:
        log.info(
            "payloads_read",
            **who,
            address=_address(request),
            namespace=namespace,
            opened=reading.opened,
            unopened=reading.unopened,
            workflows=list(reading.workflows),
        )
    return _answer(reading.payloads)


@router.post("/v1/codec/encode")
async def encode(request: Request, server: _Server) -> Response:
    """Seal what a person typed: the input of a signal."""
    who = await _reader(request, server)
    namespace = _namespace(request, server)
    payloads = await server.payloads.seal(await read_json(request, MAX_BODY_BYTES))
    if payloads:
        log.info(
            "payloads_sealed", **who, address=_address(request), namespace=namespace, sealed=len(payloads)
        )
    return _answer(payloads)


@router.get(PAGE)
async def page(request: Request, server: _Server, parts: PartsOfApp) -> Response:
    """Where a browser signs in and out."""
    return codec_page.page(
        endpoint=_endpoint(request), ui_url=parts.settings.temporal_ui_url, session=_session(request, server)
    )


@router.post(PAGE)
async def sign_in(request: Request, server: _Server, parts: PartsOfApp) -> Response:
    """Exchange the token for a cookie."""
    _check_own_form(request)
    try:
        good = await server.access.check(await _token_of_form(request), _address(request))
        status, fault = 403, "This is not the codec token of this API."
    except Problem as problem:
        if problem.kind is not problems.TOO_MANY_REQUESTS:
            raise
        good, status, fault = False, 429, problem.detail
    if not good:
        return codec_page.page(
            endpoint=_endpoint(request), ui_url=parts.settings.temporal_ui_url, fault=fault, status=status
        )
    session, value = server.access.sign_in()
    secure = _is_https(request)
    answer = RedirectResponse(PAGE, status_code=303)
    answer.set_cookie(
        _SECURE_COOKIE if secure else _COOKIE,
        value,
        max_age=LIFETIME,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )
    log.info("codec_signed_in", session=session.id, address=_address(request))
    return answer


@router.post(f"{PAGE}/sign-out")
async def sign_out(request: Request, server: _Server) -> Response:
    """Have the browser forget the cookie."""
    _check_own_form(request)
    session = _session(request, server)
    answer = RedirectResponse(PAGE, status_code=303)
    for name in (_COOKIE, _SECURE_COOKIE):
        if name in request.cookies:
            answer.delete_cookie(
                name, path="/", secure=name == _SECURE_COOKIE, httponly=True, samesite="strict"
            )
    if session is not None:
        log.info("codec_signed_out", session=session.id, address=_address(request))
    return answer


def _answer(payloads: list[Any]) -> Response:
    return Response(json.dumps({"payloads": payloads}), media_type="application/json")


async def _reader(request: Request, server: CodecServer) -> dict[str, str]:
    """Who reads, for the log. Raises Problem: 401, 429."""
    given = request.headers.get("Authorization")
    if given is not None:
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not await server.access.check(token.strip(), _address(request)):
            raise _refused(
                "This is an API key, and API keys read no payloads: send the codec token."
                if claims_to_be_key(token.strip())
                else "This is not the codec token: send Authorization: Bearer and TIDINGS_CODEC_TOKEN."
            )
        return {"by": "token"}
    if not any(name in request.cookies for name in (_SECURE_COOKIE, _COOKIE)):
        raise _refused(
            f"Send Authorization: Bearer and the codec token; or sign in at {PAGE} in this browser and have "
            "the Web UI send the cookie (Codec Server: Include cross-origin credentials)."
        )
    # Browsers say where each such request comes from; what does not say it is no page that we know.
    if request.headers.get("Origin") not in server.origins:
        raise _refused(
            "The cookie counts only for pages that TIDINGS_TEMPORAL_UI_URL or TIDINGS_CODEC_ORIGINS names."
        )
    session = _session(request, server)
    if session is None:
        raise _refused(f"The cookie is over, or not of this API: sign in anew at {PAGE}.")
    return {"by": "cookie", "session": session.id}


def _refused(detail: str) -> Problem:
    return Problem(problems.UNAUTHORIZED, detail, headers=CHALLENGE)


def _session(request: Request, server: CodecServer) -> Session | None:
    cookie = request.cookies.get(_SECURE_COOKIE) or request.cookies.get(_COOKIE)
    return server.access.session(cookie) if cookie else None


def _namespace(request: Request, server: CodecServer) -> str:
    """The namespace that the payloads are of. Raises Problem (422) if it is not ours."""
    given = request.headers.get("X-Namespace")
    if given is not None and given != server.namespace:
        fault = FieldError(pointer="/X-Namespace", detail=f"Only those of {server.namespace} are.")
        raise Problem(problems.VALIDATION, "Payloads of this namespace are not opened here.", errors=[fault])
    return server.namespace


def _check_own_form(request: Request) -> None:
    """The form must come from our own page: no other may sign a browser in or out. Raises Problem (400)."""
    site = request.headers.get("Sec-Fetch-Site")
    own = (
        site == "same-origin"
        if site is not None
        # Browsers leave the other out where there is no HTTPS.
        else request.headers.get("Origin", "").partition("://")[2] == request.headers.get("Host")
    )
    if not own:
        raise Problem(problems.BAD_REQUEST, f"Use the form of this API's own page, {PAGE}.")


async def _token_of_form(request: Request) -> str:
    if (
        request.headers.get("Content-Type", "").partition(";")[0].strip()
        != "application/x-www-form-urlencoded"
    ):
        raise Problem(problems.BAD_REQUEST, f"Use the form of this API's own page, {PAGE}.")
    form = dict(parse_qsl((await read_body(request, _LARGEST_FORM)).decode("latin-1")))
    return form.get("token", "").strip()


def _is_https(request: Request) -> bool:
    """Whether the browser came by HTTPS: behind a proxy its word for it is the Origin."""
    return request.url.scheme == "https" or request.headers.get("Origin", "").startswith("https://")


def _endpoint(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}/v1/codec"


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
