"""The application: routes, errors and middleware around the parts."""

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from api import docs_page, error_handlers, openapi
from api.composition import Parts
from api.cross_origin import CODEC_REQUEST_HEADERS, CrossOrigin, CrossOriginByPath
from api.description import operation_id
from api.entrance import Entrance
from api.middleware import RequestContext
from api.request_limits import RequestLimits
from api.response_headers import DOCS_FILES, ResponseHeaders
from api.routes import (
    bulk,
    callbacks,
    codec,
    health,
    metrics,
    notifications,
    schedules,
    suppressions,
    webhook_endpoints,
)
from api.traces import Traces
from tidings import tracing

_DESCRIPTION = """\
Durable delivery of notifications by e-mail, SMS, push, webhook and chat. A `201` is a promise: each
notification has a workflow of its own in Temporal, which carries it to its end through any crash.

Errors are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problems. Times are UTC.
"""


def create_app(parts: Parts) -> FastAPI:
    """The ASGI application. The parts' life is the caller's to manage (`api.composition.compose`)."""
    app = routed()
    app.state.parts = parts
    settings = parts.settings
    cross_origin = CrossOriginByPath(
        api=CrossOrigin(settings.cors_origins),
        codec=CrossOrigin(
            parts.codec_server.origins if parts.codec_server else (),
            credentials=True,
            methods="POST",
            request_headers=CODEC_REQUEST_HEADERS,
        ),
    )
    # The last that is added is the first that a request meets.
    app.add_middleware(RequestLimits, settings=settings)
    app.add_middleware(Entrance, cross_origin=cross_origin, trusted_hosts=settings.trusted_hosts)
    app.add_middleware(RequestContext, metrics=parts.metrics)
    if tracing.is_on():
        app.add_middleware(Traces)
    app.add_middleware(ResponseHeaders, cross_origin=cross_origin, hsts_seconds=settings.hsts_seconds)
    return app


def routed() -> FastAPI:
    """The routes and their description, without the parts that do the work."""
    app = FastAPIOffline(
        title="Tidings",
        # The API's, not the program's: it changes with the paths.
        version="1",
        description=_DESCRIPTION,
        openapi_tags=[
            {"name": "notifications", "description": "Submit, look, steer."},
            {"name": "schedules", "description": "Recurring notifications."},
            {"name": "suppressions", "description": "Recipients that get nothing more."},
            {"name": "callbacks", "description": "Where providers send receipts."},
            {"name": "webhook endpoints", "description": "Secrets that webhooks are signed with."},
            {"name": "health", "description": "For load balancers and supervisors. No key needed."},
        ],
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
        docs_url=None,
        redoc_url=None,
        # The docs page's own files: it must open on machines that reach no public network.
        static_url=DOCS_FILES.rstrip("/"),
        # The framework's own spans and metrics cost time on each request, even if nobody collects them.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    # Kept beside the framework's own list, which does not show the routes of an included router.
    app.state.routes = list(app.routes)
    modules = (
        bulk,
        notifications,
        schedules,
        webhook_endpoints,
        suppressions,
        callbacks,
        codec,
        health,
        metrics,
        docs_page,
    )
    for module in modules:
        app.include_router(module.router)
        app.state.routes += module.router.routes
    error_handlers.install(app)
    openapi.install(app)
    return app
