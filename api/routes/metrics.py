"""`/metrics`: what this process counts, for Prometheus."""

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import choose_encoder

from api.dependencies import PartsOfApp

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request, parts: PartsOfApp) -> Response:
    """Submissions by channel and status, and the providers that are skipped. The worker has its own."""
    await parts.skipped.refresh()
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(parts.metrics.registry), headers={"Content-Type": content_type})
