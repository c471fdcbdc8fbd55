"""A collector of traces: takes OTLP over HTTP as a real one does, and keeps what came."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.http_server import http_server
from tests.support import free_port


@dataclass
class Collector:
    """What has come, decoded and as it came."""

    url: str
    spans: list[Span] = field(default_factory=list)
    services: set[str] = field(default_factory=set)
    received: bytearray = field(default_factory=bytearray)

    def of_trace(self, trace_id: str) -> list[Span]:
        """The spans of one trace, by their beginning."""
        found = [span for span in self.spans if span.trace_id.hex() == trace_id]
        return sorted(found, key=lambda span: span.start_time_unix_nano)

    async def take(self, request: web.Request) -> web.Response:
        """One export."""
        body = await request.read()
        self.received += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            said = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            self.services.add(said["service.name"])
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return web.Response(content_type="application/x-protobuf")


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run one for the block."""
    port = free_port()
    collector = Collector(f"http://127.0.0.1:{port}")
    async with http_server(web.post("/v1/traces", collector.take), port=port):
        yield collector


def attributes(span: Span) -> dict[str, str | int | bool]:
    """What a span says."""
    said = {}
    for pair in span.attributes:
        kind = pair.value.WhichOneof("value")
        assert kind is not None
        said[pair.key] = getattr(pair.value, kind)
    return said
