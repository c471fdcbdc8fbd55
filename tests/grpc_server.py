"""A gRPC server that answers as it is told: for what no Temporal on one machine says of itself.

The protocol: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
"""

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from temporalio.service import RPCStatusCode

from tests.provider_support import serving


@dataclass(frozen=True)
class Refusal:
    """A status in place of an answer."""

    status: RPCStatusCode
    message: str = "Request unauthorized."


Answer = Message | Refusal


@dataclass
class ScriptedGrpc:
    """Answers each method by its name, as in `DescribeNamespace`; others are refused by `otherwise`."""

    answers: Mapping[str, Answer]
    otherwise: Refusal = field(default_factory=lambda: Refusal(RPCStatusCode.PERMISSION_DENIED))
    port: int = 0
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def address(self) -> str:
        """What clients connect to."""
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        from h2.config import H2Configuration
        from h2.connection import H2Connection
        from h2.events import DataReceived, RequestReceived, StreamEnded

        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        methods: dict[int, str] = {}
        while data := await reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    headers = {bytes(name): bytes(value) for name, value in event.headers}
                    methods[event.stream_id] = headers[b":path"].decode().rpartition("/")[2]
                elif isinstance(event, DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded):
                    self._answer(connection, event.stream_id, methods.pop(event.stream_id))
            writer.write(connection.data_to_send())
            await writer.drain()

    def _answer(self, connection: Any, stream: int, method: str) -> None:
        self.asked[method] += 1
        answer = self.answers.get(method, self.otherwise)
        head = [(":status", "200"), ("content-type", "application/grpc")]
        if isinstance(answer, Refusal):
            trailers = [("grpc-status", str(answer.status.value)), ("grpc-message", answer.message)]
            connection.send_headers(stream, head + trailers, end_stream=True)
            return
        body = answer.SerializeToString()
        connection.send_headers(stream, head)
        connection.send_data(stream, struct.pack(">BI", 0, len(body)) + body)
        connection.send_headers(stream, [("grpc-status", "0")], end_stream=True)


@asynccontextmanager
async def scripted_grpc(answers: Mapping[str, Answer]) -> AsyncIterator[ScriptedGrpc]:
    """Serve these answers for the block."""
    server = ScriptedGrpc(answers)
    async with serving(server.serve) as port:
        server.port = port
        yield server
