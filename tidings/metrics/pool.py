"""How full the pool of database connections is, read from the pool itself when the metrics are."""

from collections.abc import Callable
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge


class Pool(Protocol):
    """What a pool can say of itself."""

    waiting: int
    """How many callers have asked for a connection and not got it yet."""

    @property
    def most(self) -> int:
        """How many connections it may open."""
        ...

    def checkedin(self) -> int:
        """Connections that rest."""
        ...

    def checkedout(self) -> int:
        """Connections in use."""
        ...


def show_pool(registry: CollectorRegistry, pool: Callable[[], Pool]) -> None:
    """Have the registry ask the pool of this moment: an engine replaces one that it has disposed of."""
    connections = Gauge(
        "tidings_database_pool_connections",
        "Open connections of this process to Postgres, by state: in_use or idle.",
        ["state"],
        registry=registry,
    )
    connections.labels("in_use").set_function(lambda: pool().checkedout())
    connections.labels("idle").set_function(lambda: pool().checkedin())
    limit = Gauge(
        "tidings_database_pool_limit", "How many connections this process may open.", registry=registry
    )
    limit.set_function(lambda: pool().most)
    waiting = Gauge(
        "tidings_database_pool_waiting",
        "Callers that wait for a connection, one that is being opened included.",
        registry=registry,
    )
    waiting.set_function(lambda: pool().waiting)
