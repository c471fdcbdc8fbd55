"""`/metrics`: what this process counts, for Prometheus."""

from fastapi import APIRouter, Request, Response

from api.dependencies import PartsOfApp

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request, parts: PartsOfApp) -> Response:
    """What this process counts, and what waits in Temporal. The worker has its own."""
    body, content_type = await parts.metrics_page.read(request.headers.get("Accept", ""))
    return Response(body, headers={"Content-Type": content_type})
