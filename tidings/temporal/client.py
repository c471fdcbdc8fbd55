"""The connection to Temporal, from the same profile as the `temporal` CLI's."""

from temporalio.client import Client
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import Runtime

from tidings.errors import OrchestratorUnavailable, SetupError
from tidings.settings import CodecSettings
from tidings.temporal.calls import cause
from tidings.temporal.core_log import logging_runtime
from tidings.temporal.correlation import Correlation
from tidings.temporal.encryption.converter import data_converter
from tidings.temporal.encryption.keys import Keyring, keyring
from tidings.temporal.trace_plugins import trace_plugins


async def connect(
    *,
    lazy: bool = False,
    identity: str | None = None,
    runtime: Runtime | None = None,
    keys: Keyring | None = None,
) -> Client:
    """Connect by `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS_…` or a profile;
    payloads are sealed with `TIDINGS_CODEC_KEYS`.

    `lazy` puts the connection off to the first call, for a process that must start without Temporal.
    `runtime`: the SDK's own threads, metrics and logging, if not the process's common one.
    `keys`: instead of those that are set; NO_KEYS for whoever neither reads nor writes payloads.
    Raises SetupError if the profile or the keys cannot be read, OrchestratorUnavailable if the server cannot
    be reached.
    """
    converter = data_converter(keyring(CodecSettings.load()) if keys is None else keys)
    config = _profile()
    try:
        return await Client.connect(
            **config,
            data_converter=converter,
            lazy=lazy,
            identity=identity,
            interceptors=[Correlation()],
            plugins=trace_plugins(),
            runtime=runtime or logging_runtime(),
        )
    except RuntimeError as error:
        raise OrchestratorUnavailable(
            f"Temporal cannot be reached at {config['target_host']} ({cause(str(error))}): {_remedy(config)}."
        ) from error


def address() -> str:
    """Where Temporal is, by the profile. Raises SetupError."""
    return _profile()["target_host"]


def _profile() -> ClientConnectConfig:
    try:
        config = ClientConfig.load_client_connect_config()
    except Exception as error:  # the SDK raises bare errors of its Rust core here
        reason = " ".join(str(error).split())  # a TOML error draws its place over several lines
        raise SetupError(
            f"The Temporal profile cannot be read: {reason}. Check TEMPORAL_… and the file."
        ) from error
    config.setdefault("target_host", "127.0.0.1:7233")
    namespace = config.get("namespace")
    if not namespace:
        config.pop("namespace", None)  # set to nothing is not set
    elif not (namespace.isascii() and namespace.isprintable()):
        # A server creates such a namespace, and then fails at every call that names it.
        raise SetupError(f"{namespace!r} can be no namespace: TEMPORAL_NAMESPACE takes printable ASCII only.")
    return config


def _remedy(config: ClientConnectConfig) -> str:
    if config.get("tls") or config.get("api_key"):
        return "check TEMPORAL_ADDRESS, TEMPORAL_TLS_… and TEMPORAL_API_KEY"
    return "start it, or set TEMPORAL_ADDRESS; if it wants TLS, TEMPORAL_TLS=true"
