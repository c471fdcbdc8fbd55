"""What is settled before the routes are asked: the Host, a browser's preflight, and HEAD."""

from collections.abc import Collection
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api import problems
from api.cross_origin import CrossOriginByPath
from api.problems import Problem, problem_response

_ANY_HOST = ("/health/", "/metrics")
"""Probes and scrapers call by whatever address a machine has just been given."""


class Entrance:
    """Inside the request's context, so that what it refuses is logged and bears a request id."""

    def __init__(self, app: ASGIApp, cross_origin: CrossOriginByPath, trusted_hosts: Collection[str]) -> None:
        self._app = app
        self._cross_origin = cross_origin
        self._trusted = tuple(host.lower() for host in trusted_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not scope["path"].startswith(_ANY_HOST) and not self._is_trusted(headers.getlist("Host")):
            problem = Problem(
                problems.MISDIRECTED,
                "This Host is not served here. The operator names those that are in TIDINGS_TRUSTED_HOSTS.",
            )
            await problem_response(scope["path"], problem)(scope, receive, send)
            return
        cross_origin = self._cross_origin.at(scope["path"])
        if cross_origin.is_allowed_preflight(scope["method"], headers):
            await Response(status_code=204, headers=cross_origin.preflight)(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # RFC 9110, section 9.3.2: as GET, and the server sends the headers alone.
            asked = {**scope, "method": "GET"}
            await self._app(asked, receive, send)
            # Which route took it, for whoever counts.
            scope["route"] = asked.get("route")
            return
        await self._app(scope, receive, send)

    def _is_trusted(self, hosts: list[str]) -> bool:
        if not self._trusted:
            return True
        # Two may be read as one by a proxy and as the other by us (RFC 9110, section 7.2).
        return len(hosts) == 1 and self._names_us(_without_port(hosts[0].lower()))

    def _names_us(self, host: str) -> bool:
        return _is_loopback(host) or any(
            host.endswith(trusted[1:]) if trusted.startswith("*.") else host == trusted
            for trusted in self._trusted
        )


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
