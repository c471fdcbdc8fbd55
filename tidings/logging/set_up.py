"""Logging as a process sets it up: our own lines and those of libraries take the same way."""

import logging
import sys
from types import TracebackType

import structlog
from structlog.typing import Processor

from tidings.logging.context import temporal_context, trace_context, unreadable_context
from tidings.logging.exceptions import exception_as_text
from tidings.logging.printable import printable
from tidings.logging.redaction import redacted
from tidings.settings import LogFormat, LogSettings

_OURS = ("activities", "api", "migrations", "tidings", "worker", "workflows")
_QUIET = (
    *("aiobotocore", "aiohttp", "alembic", "apprise", "asyncio", "botocore", "httpx2", "mail.log"),
    *("temporalio", "urllib3", "uvicorn"),
)
"""Libraries that say at INFO what is of no use to an operator."""
_SILENT = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk._shared_internal",
    "opentelemetry.util.re",
)
"""What repeats itself while a collector is away, and what quotes headers it cannot read: `tidings.tracing`
says either, once."""


def configure(settings: LogSettings) -> None:
    """Set up logging for this process: lines for people on a terminal, JSON objects elsewhere.

    DEBUG is for our own lines: what libraries say there quotes whole requests. Tracebacks never show local
    variables, and of all lines `tidings.logging.redaction` takes what is not for those who read them.
    """
    json = settings.log_format is LogFormat.JSON or (
        settings.log_format is LogFormat.AUTO and not sys.stderr.isatty()
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        trace_context,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                temporal_context,
                unreadable_context,
                exception_as_text,
                redacted,
                *(_json_lines() if json else _console_lines()),
            ],
        )
    )
    _set_levels(handler, logging.getLevelNamesMapping()[settings.log_level])
    logging.captureWarnings(True)
    sys.excepthook = _uncaught


def _set_levels(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.INFO))
    for name in _OURS:
        logging.getLogger(name).setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """The last word of a process that fails takes the way of all others."""
    if isinstance(error, Exception):
        structlog.get_logger("tidings").critical("uncaught", exc_info=(kind, error, traceback))
    else:
        sys.__excepthook__(kind, error, traceback)


def _json_lines() -> list[Processor]:
    return [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer()]


def _console_lines() -> list[Processor]:
    return [
        printable,
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    ]
