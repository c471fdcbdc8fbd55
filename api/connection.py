"""The server's side of a connection: what uvicorn leaves open to slow clients and endless heads.

uvicorn times out idle connections only, and its parser takes a head of any size. A reverse proxy in front
guards against both; without one nothing else would.
"""

import asyncio
from functools import partial
from typing import Any
from uuid import uuid4

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from api import problems
from api.middleware import REQUEST_ID
from api.problems import Problem, problem_response
from api.request_limits import headers_too_large
from tidings.settings import ApiSettings

_NO_PATH = ""
"""What a problem is said of while nobody knows the request's path."""

log = structlog.get_logger("api.access")


def server_config(app: ASGIApp, settings: ApiSettings, **options: Any) -> uvicorn.Config:
    """How uvicorn serves the app."""
    return uvicorn.Config(
        app,
        http=partial(GuardedHttp, settings=settings),  # type: ignore[arg-type]  # called, never subclassed
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive,
        **options,
    )


class GuardedHttp(HttpToolsProtocol):
    """Answers a head that does not end in time (408) or is too large (431), and one that is no HTTP (400)."""

    def __init__(self, *given: Any, settings: ApiSettings, **named: Any) -> None:
        super().__init__(*given, **named)
        self._settings = settings
        self._out_of_time: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's
        """Give the first head its time."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came. Whatever comes between two requests begins the next one's time."""
        if self.transport.is_closing():
            return
        if not self._is_answering():
            self._start_timer()
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > 2 * self._settings.max_header_bytes:
                self._refuse(headers_too_large(self._settings.max_header_bytes))

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head has ended in time."""
        self._in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        if self._is_answering():
            # The answer to what came before would follow, and be taken for this one's.
            self.transport.close()
            return
        self._refuse(Problem(problems.BAD_REQUEST, "This is not a valid HTTP request."))

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first, whatever uvicorn declares
        return cycle is not None and not cycle.response_complete

    def _start_timer(self) -> None:
        if self._out_of_time is None:
            self._out_of_time = self.loop.call_later(self._settings.header_timeout, self._end)

    def _stop_timer(self) -> None:
        if self._out_of_time is not None:
            self._out_of_time.cancel()
            self._out_of_time = None

    def _end(self) -> None:
        self._out_of_time = None
        if self.transport.is_closing():
            return
        if self._in_head:
            self._refuse(Problem(problems.REQUEST_TIMEOUT, "The head of the request did not arrive in time."))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer, and end the connection: what is left of the request is not read."""
        response = problem_response(_NO_PATH, problem)
        request_id = uuid4().hex
        response.headers.update({REQUEST_ID: request_id, "Connection": "close"})
        fields = [name + b": " + value + b"\r\n" for name, value in response.raw_headers]
        content = [STATUS_LINE[response.status_code], *fields, b"\r\n", bytes(response.body)]
        self.transport.write(b"".join(content))
        self.transport.close()
        self._stop_timer()
        log.info("request_refused", request_id=request_id, status=response.status_code)
