"""What our processes count, for Prometheus. Each has a registry of its own, made where it is composed.

Every label has few values: no tenant, recipient or id is one, and what comes from outside is cut off at a
number of its own.
"""

from tidings.metrics.api import ApiMetrics
from tidings.metrics.page import MetricsPage
from tidings.metrics.pool import show_pool
from tidings.metrics.worker import WorkerMetrics

__all__ = ["ApiMetrics", "MetricsPage", "WorkerMetrics", "show_pool"]
