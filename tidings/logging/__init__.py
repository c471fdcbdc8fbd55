"""Logging: every line of every process goes through structlog to standard error, in one form, with nobody's
address, message or key in it (docs/traces-and-logs.md)."""

from tidings.logging.set_up import configure

__all__ = ["configure"]
