"""The SDK's runtime for commands: what goes wrong is said once, by the command."""

from functools import cache

from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter


@cache
def quiet() -> Runtime:
    """A runtime whose core does not write a line to the terminal for each try of a call that fails."""
    logging = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    return Runtime(telemetry=TelemetryConfig(logging=logging))
