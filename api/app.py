"""The application: routes, errors and middleware around the parts."""

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

import tidings
from api import error_handlers, openapi
from api.composition import Parts
from api.middleware import RequestContext
from api.request_limits import RequestLimits
from api.routes import (
    callbacks,
    health,
    metrics,
    notifications,
    schedules,
    suppressions,
    webhook_endpoints,
)

_DESCRIPTION = """\
Durable delivery of notifications by e-mail, SMS, push, webhook and chat. A `201` is a promise: each
notification has a workflow of its own in Temporal, which carries it to its end through any crash.

Errors are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problems. Times are UTC.
"""


def create_app(parts: Parts) -> FastAPI:
    """The ASGI application. The parts' life is the caller's to manage (`api.composition.compose`)."""
    app = FastAPIOffline(
        title="Tidings",
        version=tidings.__version__,
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
        redoc_url=None,
        # The docs page's own files: it must open on machines that reach no public network.
        static_url="/docs/static",
        # The framework's own spans and metrics cost time on each request, even if nobody collects them.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.parts = parts
    # Kept beside the framework's own list, which does not show the routes of an included router.
    app.state.routes = list(app.routes)
    modules = (notifications, schedules, webhook_endpoints, suppressions, callbacks, health, metrics)
    for module in modules:
        app.include_router(module.router)
        app.state.routes += module.router.routes
    app.add_middleware(RequestLimits, settings=parts.settings)
    app.add_middleware(RequestContext, metrics=parts.metrics)
    error_handlers.install(app)
    openapi.install(app)
    return app
