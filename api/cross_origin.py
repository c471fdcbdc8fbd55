"""CORS: which web pages may call the API from a browser.

The rules: https://fetch.spec.whatwg.org/#http-cors-protocol.
"""

from collections.abc import Collection, Mapping

from starlette.datastructures import Headers

ANY = "*"

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
"""What a page may ask for; the path still says what it takes."""
REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, X-Request-ID"
CODEC_REQUEST_HEADERS = "Authorization, Authorization-Extras, Content-Type, X-Namespace"
"""What the Temporal Web UI sends to a codec server."""
EXPOSED = (
    "Location, X-Request-ID, Idempotent-Replayed, Retry-After, WWW-Authenticate, "
    "RateLimit, RateLimit-Policy, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"
)
"""Headers of answers that scripts may read beside the few that they always may."""
_MAX_AGE = "600"
"""Seconds for which a browser need not ask again; Chromium's own limit is 7,200."""


class CrossOrigin:
    """Closed to all but the named origins (`https://console.example.com`), and open to those without cookies.

    Credentials stay off: the API takes none from a browser of its own accord, so none can be ridden on. The
    codec server does, from its own origins alone; there `credentials` is set, and no origin may be any.
    """

    def __init__(
        self,
        origins: Collection[str],
        *,
        credentials: bool = False,
        methods: str = METHODS,
        request_headers: str = REQUEST_HEADERS,
    ) -> None:
        self._origins = frozenset(origins)
        self._methods = methods
        self._request_headers = request_headers
        self._granted = {"Access-Control-Allow-Credentials": "true"} if credentials else {}

    def headers_for(self, request: Headers) -> Mapping[str, str]:
        """What every answer to this request says. Nothing at all where no origin is named."""
        if not self._origins:
            return {}
        origin = request.get("Origin")
        if not self._allows(origin):
            # All the same, so that no cache gives this answer to an origin that is allowed.
            return {} if ANY in self._origins else {"Vary": "Origin"}
        answer = {"Access-Control-Expose-Headers": EXPOSED, **self._granted}
        if ANY in self._origins:
            return answer | {"Access-Control-Allow-Origin": ANY}
        return answer | {"Access-Control-Allow-Origin": str(origin), "Vary": "Origin"}

    def is_allowed_preflight(self, method: str, request: Headers) -> bool:
        """Whether it is a preflight of an allowed origin. All others are answered as any OPTIONS."""
        return (
            method == "OPTIONS"
            and "Access-Control-Request-Method" in request
            and self._allows(request.get("Origin"))
        )

    @property
    def preflight(self) -> Mapping[str, str]:
        """What the answer to an allowed preflight says beside `headers_for`."""
        return {
            "Access-Control-Allow-Methods": self._methods,
            "Access-Control-Allow-Headers": self._request_headers,
            "Access-Control-Max-Age": _MAX_AGE,
        }

    def _allows(self, origin: str | None) -> bool:
        # "null" is what a sandboxed frame or a local file says: anybody's.
        return origin is not None and (ANY in self._origins or (origin != "null" and origin in self._origins))


class CrossOriginByPath:
    """Rules of their own for some paths, so that what opens the API to a page opens no payload to it."""

    def __init__(self, api: CrossOrigin, codec: CrossOrigin) -> None:
        self._api = api
        self._own = {"/v1/codec/": codec, "/codec": CrossOrigin(())}

    def at(self, path: str) -> CrossOrigin:
        """The rules of a path."""
        return next((own for prefix, own in self._own.items() if path.startswith(prefix)), self._api)
