"""Tidings: durable notification delivery on Temporal."""

__version__ = "0.1.0"
