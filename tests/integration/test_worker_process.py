"""`python -m worker` as a process: told to stop, it lets running sends end first."""

import signal
from pathlib import Path

import psutil

from tests.held_mail import held_mail
from tests.integration.api import make_key, running_api
from tests.support import eventually, free_port
from tests.worker_process import worker_process
from tidings.local.temporal_server import TemporalServer


async def test_sigterm_lets_a_running_send_finish_and_its_one_attempt_is_recorded(
    temporal_server: TemporalServer, database_url: str, tmp_path: Path
) -> None:
    key, _ = await make_key(database_url)
    servers = {"temporal_address": temporal_server.address, "database_url": database_url}
    async with (
        held_mail() as mail,
        running_api(database_url, temporal_server.address, key=key) as api,
        worker_process(tmp_path / "worker.log", smtp_port=mail.port, **servers) as worker,
    ):
        mail.hold()
        id = await api.submitted(recipient="slow@example.com")
        await eventually(lambda: mail.waiting)
        worker.process.send_signal(signal.SIGTERM)
        await worker.says("worker_stopping")
        assert worker.process.returncode is None
        mail.let_go()
        assert await worker.process.wait() == 0

        notification = (await api.get(f"/v1/notifications/{id}")).json
        assert notification["status"] == "sent"
        assert [(made["number"], made["outcome"]) for made in notification["attempts"]] == [(1, "accepted")]
    assert len(mail.inbox) == 1


async def test_a_send_that_outlasts_the_shutdown_timeout_is_in_doubt(
    temporal_server: TemporalServer, database_url: str, tmp_path: Path
) -> None:
    key, _ = await make_key(database_url)
    servers = {"temporal_address": temporal_server.address, "database_url": database_url}
    async with (
        held_mail() as mail,
        running_api(database_url, temporal_server.address, key=key) as api,
    ):
        mail.hold()
        async with worker_process(
            tmp_path / "1.log", smtp_port=mail.port, TIDINGS_WORKER_SHUTDOWN_TIMEOUT="0", **servers
        ) as worker:
            id = await api.submitted(recipient="slow@example.com", guarantee="at_most_once")
            await eventually(lambda: mail.waiting)
            worker.process.send_signal(signal.SIGTERM)
            assert await worker.process.wait() == 0
        async with worker_process(tmp_path / "2.log", smtp_port=mail.port, **servers):

            async def parked() -> bool:
                notification = (await api.get(f"/v1/notifications/{id}")).json
                assert notification["status"] == "unknown"
                outcomes = [(made["number"], made["outcome"]) for made in notification["attempts"]]
                assert outcomes == [(1, "unknown")]
                return True

            await eventually(parked)


async def test_it_ends_although_temporal_no_longer_answers(database_url: str, tmp_path: Path) -> None:
    # As clusters and Temporal Cloud have it: the server ends a worker's polls, and the worker waits for that.
    ends_polls = "frontend.enableCancelWorkerPollsOnShutdown=true"
    temporal = TemporalServer(
        free_port(),
        free_port(),
        db_file=None,
        log_file=tmp_path / "temporal.log",
        dynamic_config=[ends_polls],
    )
    await temporal.start()
    try:
        async with worker_process(
            tmp_path / "worker.log",
            temporal_address=temporal.address,
            database_url=database_url,
            smtp_port=free_port(),
            TIDINGS_WORKER_SHUTDOWN_TIMEOUT="0",
        ) as worker:
            server = psutil.Process(temporal.pid)
            server.suspend()
            try:
                worker.process.send_signal(signal.SIGTERM)
                assert await worker.process.wait() == 0
            finally:
                server.resume()
            await worker.says("worker_stop_cut_short")
    finally:
        await temporal.stop(hurry=True)
