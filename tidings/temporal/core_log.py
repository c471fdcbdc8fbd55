"""What the SDK's core says, such as that a call to Temporal is tried again: in the form of all other lines.

By itself it writes to standard error, in its own form and past everything that masks.
"""

import logging
from functools import cache

from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter


def core_logging() -> LoggingConfig:
    """For the telemetry of any runtime: warnings and errors go to our logging."""
    forwarding = LogForwardingConfig(
        logger=logging.getLogger("temporalio.core"),
        append_target_to_name=False,
        prepend_target_on_message=False,
        # They come as fields: `tidings.logging` has a name for each.
        append_log_fields_to_message=False,
    )
    return LoggingConfig(
        filter=TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding=forwarding
    )


@cache
def logging_runtime() -> Runtime:
    """The process's one runtime, where none is given: each has threads of its own."""
    return Runtime(telemetry=TelemetryConfig(logging=core_logging()))
