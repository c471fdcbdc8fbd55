"""`python -m worker`: carries out workflows and sends until SIGTERM or SIGINT."""

import asyncio
import os
import signal
import sys
from contextlib import suppress

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from tidings.errors import NamespaceNotReady, OrchestratorUnavailable, SetupError
from tidings.logging import configure
from tidings.process import end
from tidings.settings import LogSettings
from tidings.temporal import namespace
from tidings.temporal.client import connect
from tidings.temporal.sdk_metrics import SdkMetrics
from tidings.tracing import tracing
from worker.composition import WorkerConfiguration, build_workers
from worker.namespace_watch import watch_namespace
from worker.stopping import SPARE_SECONDS, end_within

log = structlog.get_logger("worker")

_FIRST_WAIT = 2.0
_LONGEST_WAIT = 15.0


async def run() -> None:
    """Run until told to stop, then let running sends end. Raises SetupError for bad settings."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    configuration = WorkerConfiguration.load()
    sdk = SdkMetrics.start()
    client = await _connected(stop, sdk)
    if client is None:
        return
    async with build_workers(client, configuration, sdk) as workers:
        watching = asyncio.create_task(watch_namespace(client))
        try:
            await _work(workers, stop, configuration.worker.worker_shutdown_timeout)
        finally:
            watching.cancel()


async def _connected(stop: asyncio.Event, sdk: SdkMetrics) -> Client | None:
    """The client, as soon as Temporal can be reached and is set up; None if told to stop before."""
    wait = _FIRST_WAIT
    while not stop.is_set():
        try:
            client = await connect(identity=f"tidings-worker-{os.getpid()}", runtime=sdk.runtime)
            await namespace.check(client)
        except NamespaceNotReady as error:
            log.warning("temporal_not_set_up", error=str(error), retry_in_seconds=wait)
        except OrchestratorUnavailable as error:
            log.warning("temporal_unreachable", error=str(error), retry_in_seconds=wait)
        else:
            return client
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), wait)
        wait = min(2 * wait, _LONGEST_WAIT)
    return None


async def _work(workers: list[Worker], stop: asyncio.Event, shutdown_timeout: float) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(worker.run()) for worker in workers]
            log.info("worker_ready", task_queues=[worker.task_queue for worker in workers])
            stopping = group.create_task(stop.wait())
            await asyncio.wait([stopping, *running], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            log.info("worker_stopping")
            end_within(shutdown_timeout + SPARE_SECONDS, status=0 if stop.is_set() else 1)
            for worker in workers:
                group.create_task(worker.shutdown())
    except ExceptionGroup as errors:
        reason = " ".join(str(errors.exceptions[0]).split())
        raise SetupError(
            f"The worker cannot work: {reason}. Check TEMPORAL_NAMESPACE and its rights."
        ) from errors


def main() -> int:
    """The process's exit status: 0 when told to stop, 1 if it could not run."""
    try:
        configure(LogSettings.load())
        with tracing("tidings-worker"):
            asyncio.run(run())
    except SetupError as error:
        sys.stderr.write(f"tidings worker: {error}\n")
        return 1
    except Exception:
        log.exception("worker_failed")
        return 1
    return 0


if __name__ == "__main__":
    end(main())
