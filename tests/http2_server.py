"""An HTTP/2 server that breaks the line in every way the protocol has."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.provider_support import Handler

Act = Callable[[Any, int], None]
"""What to do on a connection (an `h2` one) once the request on this stream is complete."""


@dataclass
class ScriptedHttp2:
    """Does one `act` after another, for each request one; the last is repeated."""

    acts: list[Act]
    closes: bool = False
    """Whether to hang up after an act."""
    connections: int = 0
    closed: int = 0
    streams: list[int] = field(default_factory=list)

    @property
    def handler(self) -> Handler:
        """For `serving`."""
        return self._serve

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from h2.config import H2Configuration
        from h2.connection import H2Connection
        from h2.events import StreamEnded

        self.connections += 1
        before = len(self.streams)
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        while data := await reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, StreamEnded) and event.stream_id is not None:
                    act = self.acts[min(len(self.streams), len(self.acts) - 1)]
                    self.streams.append(event.stream_id)
                    act(connection, event.stream_id)
            writer.write(connection.data_to_send())
            await writer.drain()
            if self.closes and len(self.streams) > before:
                break
        writer.transport.close()
        self.closed += 1


def answer(status: int, body: bytes = b"", ends: bool = True) -> Act:
    """Answer with a status, and a body that ends or never does."""

    def act(connection: Any, stream: int) -> None:
        connection.send_headers(stream, [(":status", str(status))], end_stream=ends and not body)
        if body:
            connection.send_data(stream, body, end_stream=ends)

    return act


def reset(code: int) -> Act:
    """Reset the stream."""
    return lambda connection, stream: connection.reset_stream(stream, code)


def go_away(last_stream: int) -> Act:
    """Say that the connection ends, and which streams were looked at."""
    return lambda connection, _stream: connection.close_connection(0, last_stream_id=last_stream)


def silence(_connection: Any, _stream: int) -> None:
    """Say nothing."""
