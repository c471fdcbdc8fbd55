"""What sealing costs: the same values on their way into Temporal and back, with keys and without by turns."""

import argparse
import asyncio
import statistics
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, WorkflowSerializationContext

from benchmarks.report import keep, table
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Notification
from tidings.messages.delivery import DeliveryRequest
from tidings.settings import CodecSettings
from tidings.temporal import names
from tidings.temporal.encryption.converter import data_converter
from tidings.temporal.encryption.keys import NO_KEYS, Keyring, keyring, new_key

BODIES = (100, 10_000, 100_000)
"""Characters of the notification's text."""


@dataclass
class Side:
    """One of the two converters, and what it took."""

    converter: DataConverter
    written: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)
    size: int = 0

    async def once(self, request: DeliveryRequest) -> None:
        """Write the request as a client does when it starts the workflow, and read it as the worker does."""
        began = time.perf_counter()
        payloads: list[Payload] = await self.converter.encode([request])
        between = time.perf_counter()
        [found] = await self.converter.decode(payloads, [DeliveryRequest])
        self.read.append(time.perf_counter() - between)
        self.written.append(between - began)
        self.size = payloads[0].ByteSize()
        assert found == request


def _request(characters: int) -> DeliveryRequest:
    return DeliveryRequest(
        notification=Notification(
            id=new_id(),
            tenant="acme",
            channel="email",
            recipient="ada@example.com",
            subject="Your order has left us",
            body=("Hello Ada, order 1042 is on its way. " * (characters // 37 + 1))[:characters],
            created_at=datetime.now(UTC),
        )
    )


def _side(keys: Keyring, request: DeliveryRequest) -> Side:
    context = WorkflowSerializationContext(
        namespace="default", workflow_id=names.workflow_id(request.notification.id)
    )
    return Side(data_converter(keys).with_context(context))


def _microseconds(seconds: list[float]) -> float:
    return statistics.median(seconds) * 1_000_000


async def run(rounds: int) -> None:
    """Measure, report."""
    keys = keyring(CodecSettings(codec_keys=str(new_key(now=datetime.now(UTC)))))
    rows = []
    for characters in BODIES:
        request = _request(characters)
        clear, sealed = _side(NO_KEYS, request), _side(keys, request)
        for _ in range(rounds):
            await clear.once(request)
            await sealed.once(request)
        rows.append(
            [f"{characters:,}"]
            + [
                f"{cell:.0f}"
                for ours, theirs in ((sealed.written, clear.written), (sealed.read, clear.read))
                for cell in (_microseconds(theirs), _microseconds(ours))
            ]
            + [f"{sealed.size - clear.size:,}"]
        )
    keep(
        "sealing",
        "Sealed payloads",
        f"What starts a notification's workflow, into a payload and back: medians of {rounds:,} rounds, in"
        " microseconds.",
        table(
            ["characters", "written, clear", "written, sealed", "read, clear", "read, sealed", "bytes more"],
            rows,
        ),
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2_000)
    asyncio.run(run(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
