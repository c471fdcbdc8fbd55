"""Our own processes as parts: sandbox, API and worker, each told all it needs by its environment."""

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from tidings.local.leftovers import Mark, word_for
from tidings.local.part import Part
from tidings.local.ports import free_port
from tidings.local.temporal_server import NAMESPACE, answers
from tidings.settings import WorkerSettings
from tidings.temporal.names import TASK_QUEUE


class ProgramPart(Part):
    """`python -m module` with an environment of its own, told in lists of processes by its data folder."""

    def __init__(
        self, name: str, module: str, *, environment: Mapping[str, str], log_file: Path, folder: Path
    ) -> None:
        # Python passes over an -X option that it does not know. The word is for us, the path for people.
        word = f"{word_for(folder)}-{name}"
        self._option = f"{word}={folder}"
        self._module = module
        self._environment = environment
        super().__init__(name, log_file, Mark("python", word))

    async def command(self) -> list[str]:
        """Our own interpreter, running the module."""
        return [sys.executable, "-X", self._option, "-m", self._module]

    def environment(self) -> Mapping[str, str]:
        """The environment it was made with."""
        return self._environment


class HttpPart(ProgramPart):
    """A program that is ready when `ready_url` answers with a 2xx."""

    def __init__(
        self,
        name: str,
        module: str,
        *,
        ready_url: str,
        environment: Mapping[str, str],
        log_file: Path,
        folder: Path,
    ) -> None:
        super().__init__(name, module, environment=environment, log_file=log_file, folder=folder)
        self._ready_url = ready_url

    async def is_ready(self) -> bool:
        """Whether the health check answers."""
        return await answers(self._ready_url)


class WorkerPart(ProgramPart):
    """The worker, ready when Temporal has it among the pollers of our task queue."""

    stop_limit = 60.0  # sends under way may end first: TIDINGS_WORKER_SHUTDOWN_TIMEOUT

    def __init__(
        self, *, temporal_address: str, environment: Mapping[str, str], log_file: Path, folder: Path
    ) -> None:
        super().__init__("worker", "worker", environment=environment, log_file=log_file, folder=folder)
        self._metrics_port = WorkerSettings.load().worker_metrics_port
        self.metrics_url = ""
        """Where it serves its metrics, once it was started."""
        self._temporal_address = temporal_address
        self._client: Client | None = None

    def environment(self) -> Mapping[str, str]:
        """What it was made with, and a port for its metrics: a free one at each start, unless one is set."""
        port = self._metrics_port or free_port()
        self.metrics_url = f"http://127.0.0.1:{port}/metrics"
        return {**super().environment(), "TIDINGS_WORKER_METRICS_PORT": str(port)}

    async def is_ready(self) -> bool:
        """Whether this very process, not one before it, asks Temporal for work."""
        request = DescribeTaskQueueRequest(
            namespace=NAMESPACE,
            task_queue=TaskQueue(name=TASK_QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        try:
            self._client = self._client or await Client.connect(self._temporal_address)
            answer = await self._client.workflow_service.describe_task_queue(
                request, timeout=timedelta(seconds=2)
            )
        except (RuntimeError, RPCError):
            return False
        return any(poller.identity.endswith(f"-{self.pid}") for poller in answer.pollers)
