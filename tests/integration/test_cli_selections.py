"""`retry` and `cancel` of many at once, against the real Temporal, with the API and the database away."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client

from tests.integration.api import signals
from tests.integration.command_line import Ended, tidings
from tests.support import eventually, free_port
from tests.workflows.delivery import Delivery, Handle, delivery_worker
from tidings.domain.identifiers import new_id
from tidings.domain.vocabulary import Channel, Status
from tidings.errors import PermanentFailure
from tidings.local.temporal_server import TemporalServer
from tidings.temporal.selecting import NotificationIndex, Selection

REFUSED = PermanentFailure("smtp_550", "no such mailbox")
TEXT = {"channel": "sms", "recipient": "+14155550100", "subject": None}


@pytest.fixture
def tenant() -> str:
    return f"tenant-{uuid4()}"


class Operator:
    """Runs commands where nothing but Temporal can be reached."""

    def __init__(self, client: Client, address: str, tenant: str) -> None:
        self.client = client
        self.tenant = tenant
        self.environment = {
            "TEMPORAL_ADDRESS": address,
            "TIDINGS_URL": f"http://127.0.0.1:{free_port()}",
            "TIDINGS_DATABASE_URL": f"postgresql://tidings@127.0.0.1:{free_port()}/tidings",
        }

    async def runs(self, *arguments: str) -> Ended:
        return await tidings(*arguments, "--tenant", self.tenant, **self.environment)

    async def index_shows(self, count: int, *statuses: Status, open_only: bool = False) -> list[UUID]:
        """Wait until the index lists so many of the tenant's; their ids."""
        selection = Selection(statuses, tenant=self.tenant, open_only=open_only)

        async def there() -> list[UUID]:
            found, _ = await NotificationIndex(self.client).select(selection, 10_000)
            assert len(found) == count, found
            return [each.id for each in found] or [new_id()]

        return await eventually(there)

    async def retries(self, id: UUID) -> int:
        return (await signals(self.client, str(id))).count("retry")


@pytest.fixture
async def operator(
    temporal_client: Client, temporal_server: TemporalServer, tenant: str
) -> AsyncIterator[Operator]:
    operator = Operator(temporal_client, temporal_server.address, tenant)
    yield operator
    async for run in temporal_client.list_workflows(
        f"NotificationTenant = '{tenant}' AND ExecutionStatus = 'Running'"
    ):
        await temporal_client.get_workflow_handle(run.id).terminate()


async def started(delivery: Delivery, operator: Operator, count: int, **fields: object) -> list[Handle]:
    submitted = [delivery.start(tenant=operator.tenant, **fields) for _ in range(count)]
    return [handle for _, handle in await asyncio.gather(*submitted)]


async def test_200_that_failed_are_counted_retried_once_each_and_sent(operator: Operator) -> None:
    script = [*[REFUSED] * 200, None]
    async with delivery_worker(operator.client, script) as delivery:
        await started(delivery, operator, 200)
        ids = await operator.index_shows(200, Status.FAILED)

        command = ("retry", "--status", "failed", "--channel", "email", "--since", "2h")
        counted = await operator.runs(*command, "--dry-run")
        assert (counted.status, counted.err) == (0, "")
        assert [line.split() for line in counted.out.splitlines()[:2]] == [
            ["status", "channel", "notifications"],
            ["failed", "email", "200"],
        ]
        assert "… and 190 more" in counted.out
        assert len(delivery.provider.calls) == 200

        ended = await operator.runs(*command, "--yes", "--rate", "100", "--reason", "it is back", "--json")
        assert (ended.status, ended.err) == (0, ""), ended
        summary = json.loads(ended.out)
        assert {answer["id"] for answer in summary["answers"]} == {str(id) for id in ids}
        assert [summary[name] for name in ("selected", "accepted", "refused", "not_found", "left")] == [
            *(200, 200, 0, 0, 0)
        ]
        await operator.index_shows(200, Status.SENT)
        assert Counter([await operator.retries(id) for id in ids]) == {1: 200}
        assert len(delivery.provider.calls) == 400

        again = await operator.runs(*command, "--yes")
        assert (again.status, again.err) == (0, "")
        assert again.out.startswith("No notification is selected")


async def test_cancel_takes_the_selected_channel_and_tenant_and_no_other(operator: Operator) -> None:
    later = {"send_at": datetime(2099, 1, 1, tzinfo=UTC)}
    async with delivery_worker(operator.client) as delivery:
        emails = await started(delivery, operator, 3, **later)
        (text,) = await started(delivery, operator, 1, **later, **TEXT)
        _, foreign = await delivery.start(tenant="someone-else", **later)
        await operator.index_shows(4, Status.SCHEDULED)

        ended = await operator.runs("cancel", "--status", "scheduled", "--channel", "email", "--yes")
        assert (ended.status, ended.err) == (0, "")
        assert "3 of 3 signalled, 0 refused, 0 not found.\nNow they are: 3 cancelled." in ended.out
        for handle in emails:
            assert (await handle.result()).state.status is Status.CANCELLED
        for handle in (text, foreign):
            assert (await delivery.status(handle)).status is Status.SCHEDULED
        await foreign.terminate()


async def test_a_failed_one_whose_workflow_has_closed_is_retried_and_its_old_run_counts_no_more(
    operator: Operator,
) -> None:
    async with delivery_worker(operator.client, [REFUSED, None], retry_window=0) as delivery:
        (handle,) = await started(delivery, operator, 1)
        await handle.result()
        (id,) = await operator.index_shows(1, Status.FAILED)
        ended = await operator.runs("retry", "--status", "failed", "--yes", "--json")
        assert (ended.status, json.loads(ended.out)["now"]) == (0, {"sent": 1}), ended
        # The index still lists the run that failed, beside the one that sent it.
        assert await operator.index_shows(1, Status.SENT) == [id]
        again = await operator.runs("retry", "--status", "failed", "--dry-run", "--json")
        assert (again.status, json.loads(again.out)["selected"]) == (0, 0)
        assert delivery.outcomes(id) == [(1, "permanent"), (2, "accepted")]


async def test_one_that_changed_since_it_was_listed_is_refused_as_a_single_one_is(operator: Operator) -> None:
    async with delivery_worker(operator.client, [REFUSED, REFUSED, None]) as delivery:
        handles = await started(delivery, operator, 2)
        ids = await operator.index_shows(2, Status.FAILED)
        delivery.provider.gate, delivery.provider.called = asyncio.Event(), asyncio.Event()
        await operator.client.get_workflow_handle(f"notification-{ids[0]}").signal("retry")
        await delivery.provider.called.wait()
        # The index shows no `sending`.
        ending = asyncio.create_task(operator.runs("retry", "--status", "failed", "--yes"))

        async def other_is_signalled() -> bool:
            return await operator.retries(ids[1]) == 1

        await eventually(other_is_signalled)
        delivery.provider.gate.set()
        ended = await ending
        assert ended.status == 1
        assert f"{ids[0]}  not retried: it is sending\n1 of 2 signalled, 1 refused, 0 not found." in ended.out
        for handle in handles:
            assert (await handle.result()).state.status is Status.SENT
        assert [await operator.retries(id) for id in ids] == [1, 1]


async def test_since_and_until_go_by_the_start_of_the_workflow(operator: Operator) -> None:
    async with delivery_worker(operator.client, [REFUSED]) as delivery:
        await started(delivery, operator, 1)
        (before,) = await operator.index_shows(1, Status.FAILED)
        between = datetime.now(UTC).isoformat()
        await started(delivery, operator, 1)
        after = set(await operator.index_shows(2, Status.FAILED)) - {before}
        for option, expected in (("--since", after), ("--until", {before})):
            ended = await operator.runs(
                *("retry", "--status", "failed", "--status", "unknown", option, between),
                *("--dry-run", "--json"),
            )
            assert (ended.status, ended.err) == (0, "")
            assert json.loads(ended.out)["ids"] == [str(id) for id in expected]


async def test_a_limit_takes_no_more_and_says_so(operator: Operator) -> None:
    async with delivery_worker(operator.client, [REFUSED, REFUSED, REFUSED, None]) as delivery:
        await started(delivery, operator, 3)
        ids = await operator.index_shows(3, Status.FAILED)
        ended = await operator.runs("retry", "--status", "failed", "--limit", "2", "--yes")
        assert (ended.status, ended.err) == (0, "")
        assert "There are more: only these 2 are taken (--limit)." in ended.out
        assert "2 of 2 signalled" in ended.out
        assert sorted([await operator.retries(id) for id in ids]) == [0, 1, 1]


async def test_without_a_worker_the_signals_are_kept(operator: Operator) -> None:
    async with delivery_worker(operator.client, [REFUSED, None]) as delivery:
        (handle,) = await started(delivery, operator, 1)
        await operator.index_shows(1, Status.FAILED)
    ended = await operator.runs("retry", "--status", "failed", "--yes")
    assert (ended.status, ended.err) == (0, "")
    assert (
        "1 of 1 signalled, 0 refused, 0 not found.\nNow they are: 1 failed (again, or not tried yet)."
        in ended.out
    )
    async with delivery_worker(operator.client, log=delivery.log):
        assert (await handle.result()).state.status is Status.SENT


async def test_ctrl_c_stops_between_two_signals_and_says_what_is_left(operator: Operator) -> None:
    async with delivery_worker(operator.client, [*[REFUSED] * 4, None]) as delivery:
        await started(delivery, operator, 4)
        ids = await operator.index_shows(4, Status.FAILED)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidings", "retry", "--status", "failed", "--tenant", operator.tenant),
            *("--yes", "--rate", "0.1", "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "TIDINGS_UP_DATA": os.devnull, **operator.environment},
        )

        async def first_is_signalled() -> bool:
            return sum([await operator.retries(id) for id in ids]) == 1

        await eventually(first_is_signalled)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
        assert process.returncode == 130, err
        summary = json.loads(out)
        assert (summary["accepted"], summary["left"]) == (1, 3)
        assert b"Stopped with 3 left. The same command goes on" in err
        assert sum([await operator.retries(id) for id in ids]) == 1


@pytest.mark.parametrize(("said", "status", "sent"), [("y", 0, 1), ("n", 1, 0), ("", 1, 0)])
async def test_it_asks_on_a_terminal(operator: Operator, said: str, status: int, sent: int) -> None:
    async with delivery_worker(operator.client, [REFUSED, None]) as delivery:
        await started(delivery, operator, 1)
        (id,) = await operator.index_shows(1, Status.FAILED)
        ours, theirs = os.openpty()
        try:
            os.write(ours, f"{said}\n".encode())
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tidings", "retry", "--status", "failed"),
                *("--tenant", operator.tenant),
                stdin=theirs,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "TIDINGS_UP_DATA": os.devnull, **operator.environment},
            )
            out, err = await process.communicate()
        finally:
            os.close(ours)
            os.close(theirs)
        assert process.returncode == status, err
        assert b"Retry 1 notification? [y/N]" in out
        assert (b"Nothing was signalled." in err) is not bool(sent)
        assert await operator.retries(id) == sent


async def test_temporal_away_is_one_line(operator: Operator) -> None:
    operator.environment["TEMPORAL_ADDRESS"] = f"127.0.0.1:{free_port()}"
    ended = await operator.runs("cancel", "--status", "pending", "--yes")
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "TEMPORAL_ADDRESS" in ended.err


async def test_a_namespace_without_our_search_attributes_is_named_with_the_remedy(operator: Operator) -> None:
    namespace = f"bare-{uuid4()}"
    request = RegisterNamespaceRequest(namespace=namespace)
    request.workflow_execution_retention_period.FromSeconds(86_400)
    await operator.client.workflow_service.register_namespace(request)
    operator.environment["TEMPORAL_NAMESPACE"] = namespace

    async def refused() -> Ended:
        ended = await operator.runs("retry", "--status", "failed", "--yes")
        # The server's own caches take a moment to know a new namespace.
        assert "search attribute Notification" in ended.err, ended
        assert "run `tidings migrate`" in ended.err, ended
        return ended

    ended = await eventually(refused)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)


SELECTED = ("--status", "failed", "--yes")
ID = "01a1fcb7-b18c-7066-a470-a96aeb1369b3"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("retry",), "failed, unknown, expired or retrying"),
        (("cancel",), "pending, scheduled or retrying"),
        (("retry", "--channel", "sms", "--yes"), "--status"),
        (("retry", ID, "--status", "failed"), "either by their ids or by --status"),
        (("retry", ID, "--dry-run"), "--dry-run"),
        (("cancel", ID, "--limit", "1"), "--limit"),
        (("retry", "--status", "failed"), "--yes"),
        (("retry", "--status", "sent", "--yes"), "can do nothing with sent"),
        (("retry", "--status", "failed", "--status", "pending", "--yes"), "can do nothing with pending"),
        (("retry", "--status", "sending", "--yes"), "index"),
        (("cancel", *SELECTED), "can do nothing with failed"),
        (("retry", "--status", "lost", "--yes"), "lost"),
        (("retry", *SELECTED, "--channel", "pigeon"), "pigeon"),
        (("retry", *SELECTED, "--tenant", "a' OR WorkflowType != '"), "--tenant"),
        (("retry", *SELECTED, "--tenant", ""), "--tenant"),
        (("retry", *SELECTED, "--since", "yesterday"), "--since"),
        (("retry", *SELECTED, "--since", "2026-01-01T00:00:00"), "offset"),
        (("retry", *SELECTED, "--since", "2099-01-01T00:00:00Z"), "future"),
        (("retry", *SELECTED, "--until", "0001-01-01T00:00:00+23:00"), "out of range"),
        (("retry", *SELECTED, "--since", "1h", "--until", "2h"), "--until"),
        (("retry", *SELECTED, "--limit", "0"), "--limit"),
        (("retry", *SELECTED, "--rate", "0"), "--rate"),
        (("retry", *SELECTED, "--rate", "nan"), "--rate"),
        (("retry", *SELECTED, "--expires-at", "2020-01-01T00:00:00Z"), "--expires-at"),
    ],
)
async def test_what_cannot_be_meant_is_wrong_usage_and_touches_nothing(
    arguments: tuple[str, ...], said: str
) -> None:
    ended = await tidings(*arguments, TEMPORAL_ADDRESS=f"127.0.0.1:{free_port()}")
    assert (ended.status, ended.out) == (2, ""), ended
    assert said in " ".join(ended.err.split())
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("time", [datetime(2026, 1, 1, 12, 0, 0, 5, UTC)], ids=["utc"])
def test_the_query_says_all_that_was_asked_for(time: datetime) -> None:
    selection = Selection(
        [Status.FAILED, Status.UNKNOWN], channel=Channel.SMS, tenant="acme", since=time, until=time
    )
    assert selection.query == (
        "WorkflowType = 'DeliverNotification' AND NotificationStatus IN ('failed', 'unknown')"
        " AND ExecutionStatus != 'ContinuedAsNew' AND NotificationChannel = 'sms'"
        " AND NotificationTenant = 'acme' AND StartTime >= '2026-01-01T12:00:00.000005Z'"
        " AND StartTime < '2026-01-01T12:00:00.000005Z'"
    )


@pytest.mark.parametrize("tenant", ["", "a'b", 'a"b', "a\\", "a b", "a\n", "é", "x" * 65])
def test_no_name_that_could_change_the_query_gets_into_it(tenant: str) -> None:
    with pytest.raises(ValueError, match="must be 1 to 64 letters"):
        Selection([Status.FAILED], tenant=tenant)
