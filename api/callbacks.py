"""Callbacks: a provider's receipts, proven to be the provider's, then recorded.

The answer that they were taken is a promise too. What cannot be recorded at once, for Postgres is away or the
attempt is still under way, is kept by a workflow of its own until it can be.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

import structlog

from api import problems
from api.problems import Problem
from tidings.domain.receipt import Receipt, Received
from tidings.errors import (
    CallbackPostponed,
    ForgedCallback,
    MalformedCallback,
    OrchestratorUnavailable,
    StorageUnavailable,
    TidingsError,
)
from tidings.metrics import ApiMetrics
from tidings.providers.callbacks.protocol import CallbackReader, CallbackRequest
from tidings.temporal.notifications import NotificationWorkflows

log = structlog.get_logger("api.callbacks")

_REFUSALS: Mapping[type[TidingsError], str] = {
    ForgedCallback: "forged",
    MalformedCallback: "malformed",
    CallbackPostponed: "unavailable",
    OrchestratorUnavailable: "unavailable",
}
_RECORD_SECONDS = 3
"""How long Postgres may take for one receipt: providers hang up after 5 to 15 s."""


class ReceiptLog(Protocol):
    """Where receipts are kept."""

    async def receive(self, receipt: Receipt) -> Received:
        """Keep it and what follows from it, however often it comes. Raises StorageUnavailable."""
        ...


class Callbacks:
    """Takes callbacks of the providers whose readers it has."""

    def __init__(
        self,
        readers: Mapping[str, CallbackReader],
        receipts: ReceiptLog,
        workflows: NotificationWorkflows,
        metrics: ApiMetrics,
    ) -> None:
        self._readers = readers
        self._receipts = receipts
        self._workflows = workflows
        self._metrics = metrics

    async def take(self, provider: str, request: CallbackRequest) -> int:
        """Record what the callback says; how many receipts it held.

        Raises Problem (404) for a provider that calls nobody back, ForgedCallback, MalformedCallback, and
        OrchestratorUnavailable if a receipt can be kept neither here nor there: it has to come again.
        """
        reader = self._readers.get(provider)
        if reader is None:
            self._metrics.refused(None, "unknown_provider")
            raise Problem(
                problems.NOT_FOUND, f"Callbacks are taken from {', '.join(self._readers) or 'no provider'}."
            )
        try:
            receipts = await reader.read(request, datetime.now(UTC))
            for receipt in receipts:
                self._metrics.received(provider, receipt.kind)
                await self._keep(receipt)
        except tuple(_REFUSALS) as error:
            self._metrics.refused(provider, _REFUSALS[type(error)])
            raise
        return len(receipts)

    async def aclose(self) -> None:
        """Close the readers' connections."""
        for reader in self._readers.values():
            await reader.aclose()

    async def _keep(self, receipt: Receipt) -> None:
        try:
            async with asyncio.timeout(_RECORD_SECONDS):
                received = await self._receipts.receive(receipt)
        except (StorageUnavailable, TimeoutError):
            received = None
        notification_id = str(receipt.notification_id)
        if received and received.found and received.settled and not received.repeated and receipt.suppresses:
            self._metrics.listed(receipt.suppresses, receipt.provider)
        if received is None or not received.settled:
            await self._workflows.keep_receipt(receipt)
            log.info("receipt_kept_for_later", notification_id=notification_id, provider=receipt.provider)
            return
        if not received.found:
            log.warning("receipt_for_nobody", notification_id=notification_id, provider=receipt.provider)
        elif received.may_be_waited_for and not received.repeated:
            try:
                await self._workflows.look_at_receipt(receipt.notification_id)
            except OrchestratorUnavailable:
                # The database has it, and the workflow asks there before it sends anything.
                log.warning("workflow_not_woken", notification_id=notification_id)
