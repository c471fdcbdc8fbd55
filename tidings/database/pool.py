"""The pool of connections, which can say how many callers wait for one."""

from typing import Any

from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection


class WatchedPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's own, with two numbers more."""

    # SQLAlchemy names its loggers so: what the pool says at INFO is for SQLAlchemy's, not for ours.
    __module__ = AsyncAdaptedQueuePool.__module__

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.waiting = 0
        """How many callers have asked for a connection and not got it yet."""

    @property
    def most(self) -> int:
        """How many connections there may be."""
        return self.size() + self._max_overflow

    def connect(self) -> PoolProxiedConnection:
        """A connection, as soon as there is one."""
        self.waiting += 1
        try:
            return super().connect()
        finally:
            self.waiting -= 1
