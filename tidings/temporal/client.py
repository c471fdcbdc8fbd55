"""The connection to Temporal, from the same profile as the `temporal` CLI's."""

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig

from tidings.errors import OrchestratorUnavailable, SetupError
from tidings.temporal.core_log import logging_runtime
from tidings.temporal.correlation import Correlation
from tidings.temporal.trace_plugins import trace_plugins


async def connect(*, lazy: bool = False, identity: str | None = None) -> Client:
    """Connect by `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS_…` or a profile.

    `lazy` puts the connection off to the first call, for a process that must start without Temporal.
    Raises SetupError if the profile cannot be read, OrchestratorUnavailable if the server cannot be reached.
    """
    try:
        config = ClientConfig.load_client_connect_config()
    except Exception as error:  # the SDK raises bare errors of its Rust core here
        reason = " ".join(str(error).split())  # a TOML error draws its place over several lines
        raise SetupError(
            f"The Temporal profile cannot be read: {reason}. Check TEMPORAL_… and the file."
        ) from error
    config.setdefault("target_host", "127.0.0.1:7233")
    try:
        return await Client.connect(
            **config,
            data_converter=pydantic_data_converter,
            lazy=lazy,
            identity=identity,
            interceptors=[Correlation()],
            plugins=trace_plugins(),
            runtime=logging_runtime(),
        )
    except RuntimeError as error:
        raise OrchestratorUnavailable(
            f"Temporal cannot be reached at {config['target_host']}: start it, or set TEMPORAL_ADDRESS."
        ) from error
