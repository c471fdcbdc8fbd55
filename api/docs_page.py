"""`/docs`: the description as a page to try it on. Its files are our own, and so is all that it may load."""

import base64
import hashlib
import re

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse

from api.response_headers import DOCS_FILES

PATH = "/docs"

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)

router = APIRouter()


@router.get(PATH, include_in_schema=False)
async def page(request: Request) -> HTMLResponse:
    """The page, with a content policy that lets nothing run but its own scripts."""
    root = request.scope.get("root_path", "")
    html = get_swagger_ui_html(
        openapi_url=f"{root}{request.app.openapi_url}",
        title=f"{request.app.title}: the API",
        swagger_js_url=f"{root}{DOCS_FILES}swagger-ui-bundle.js",
        swagger_css_url=f"{root}{DOCS_FILES}swagger-ui.css",
        swagger_favicon_url=f"{root}{DOCS_FILES}favicon.png",
        swagger_ui_parameters={"deepLinking": True, "persistAuthorization": False},
    )
    html.headers["Content-Security-Policy"] = _policy(bytes(html.body).decode())
    return html


def _policy(html: str) -> str:
    """Scripts by their hash (https://www.w3.org/TR/CSP3/#grammardef-hash-source): none may be slipped in."""
    digests = (hashlib.sha256(script.encode()).digest() for script in _INLINE_SCRIPT.findall(html))
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
