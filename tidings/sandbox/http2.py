"""A small HTTP/2 server (RFC 9113) for the one provider that speaks nothing else."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

_MAX_BODY_BYTES = 1_000_000
_MAX_STREAMS = 1000


@dataclass(slots=True)
class Http2Request:
    """One request. `headers` hold the pseudo-headers too."""

    headers: list[tuple[str, str]]
    body: bytearray = field(default_factory=bytearray)

    def header(self, name: str) -> str:
        """The header's first value, or nothing."""
        return next((value for known, value in self.headers if known == name), "")


@dataclass(frozen=True, slots=True)
class Http2Response:
    """An answer with a body of at most one frame, 16 KB."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


Handler = Callable[[Http2Request], Awaitable[Http2Response]]


class Http2Protocol(asyncio.Protocol):
    """One connection. `handler` answers each request; requests run side by side."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._http2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._requests: dict[int, Http2Request] = {}
        self._answers: dict[int, asyncio.Task[None]] = {}
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say what we take."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("HTTP/2 needs a stream")
        self._transport = transport
        self._http2.initiate_connection()
        self._http2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: _MAX_STREAMS})
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take what has come; hang up on what is no HTTP/2."""
        try:
            for event in self._http2.receive_data(data):
                self._received(event)
        except ProtocolError:
            self._flush()
            if self._transport is not None:
                self._transport.close()
        else:
            self._flush()

    def connection_lost(self, _error: Exception | None) -> None:
        """Whoever waits for an answer has gone."""
        for task in self._answers.values():
            task.cancel()

    def _received(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(stream)):
                headers = [(str(name), str(value)) for name, value in event.headers or ()]
                self._requests[stream] = Http2Request(headers)
            case DataReceived(stream_id=int(stream)):
                self._body(stream, event)
            case StreamEnded(stream_id=int(stream)) if stream in self._requests:
                task = asyncio.create_task(self._answer(stream, self._requests.pop(stream)))
                self._answers[stream] = task
                task.add_done_callback(lambda _: self._answers.pop(stream, None))
            case StreamReset(stream_id=int(stream)):
                self._requests.pop(stream, None)
                if stream in self._answers:
                    self._answers[stream].cancel()
            case ConnectionTerminated() if self._transport is not None:
                self._transport.close()
            case _:
                pass

    def _body(self, stream: int, event: DataReceived) -> None:
        self._http2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
        request = self._requests.get(stream)
        if request is None:
            return
        request.body += event.data or b""
        if len(request.body) > _MAX_BODY_BYTES:
            del self._requests[stream]
            self._http2.reset_stream(stream, ErrorCodes.ENHANCE_YOUR_CALM)

    async def _answer(self, stream: int, request: Http2Request) -> None:
        response = await self._handler(request)
        headers = {":status": str(response.status), **response.headers}
        try:
            self._http2.send_headers(stream, list(headers.items()), end_stream=not response.body)
            if response.body:
                self._http2.send_data(stream, response.body, end_stream=True)
        except ProtocolError:
            # The stream or the connection has ended in the meantime.
            return
        self._flush()

    def _flush(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._http2.data_to_send())
