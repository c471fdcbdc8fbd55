"""What the API counts as well as the worker, under the same names."""

from prometheus_client import CollectorRegistry, Counter, Gauge

_SUPPRESSIONS_HELP = "Recipients put on the suppression list, by why and by who said so."


def skipped_gauge(registry: CollectorRegistry) -> Gauge:
    """Who is skipped, as this process knows it."""
    return Gauge(
        "tidings_provider_skipped",
        "1 while the provider is skipped because it keeps failing, else 0.",
        ["channel", "provider"],
        registry=registry,
    )


def suppressions_counter(registry: CollectorRegistry) -> Counter:
    """What is learnt by a refusal while sending, or by a receipt."""
    return Counter("tidings_suppressions", _SUPPRESSIONS_HELP, ["reason", "provider"], registry=registry)
