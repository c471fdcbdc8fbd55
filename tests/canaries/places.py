"""Where whoever has no business with a notification's content may look, read to the last byte."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import (
    DescribeScheduleRequest,
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    ListSchedulesRequest,
    ListWorkflowExecutionsRequest,
    QueryWorkflowRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from tests.canaries.canary import Canaries, Canary
from tests.canaries.stage import Stage

DATABASE, HISTORIES, DESCRIPTIONS = (
    "Temporal's database file",
    "histories",
    "memos, search attributes, describe",
)
SCHEDULES, STORY, WEB_UI = "schedules", "story in the Web UI", "the Web UI's own API"
LOGS, METRICS, TRACES, COMMANDS = "logs", "metrics", "traces", "what commands print"
PLACES = (DATABASE, HISTORIES, DESCRIPTIONS, SCHEDULES, STORY, WEB_UI, LOGS, METRICS, TRACES, COMMANDS)

SHOWN = {(STORY, "reason")}
"""The words of a reason are for those who look at the workflow; whom they name is masked."""


WITNESSES = {
    LOGS: (b"worker_ready", b"CheckViolationError", b"database system is shut down", b"temporal"),
    METRICS: (b"tidings_suppressed_total", b"tidings_http_request_duration_seconds", b"temporal_request"),
    TRACES: (b"tidings-api", b"tidings-worker"),
    COMMANDS: (b" checked: ", b"cancelled"),
}
"""What certainly stands where no key seals, and so no control finds anything: these places were read."""


@dataclass
class Searched:
    """What was read in one place, and what was found there."""

    pieces: int = 0
    size: int = 0
    """In bytes."""
    found: set[tuple[Canary, str]] = field(default_factory=set)
    witnesses: set[bytes] = field(default_factory=set)


@dataclass
class Search:
    """One look around."""

    canaries: Canaries
    places: dict[str, Searched] = field(default_factory=dict)

    def look(self, place: str, data: bytes) -> None:
        """Search one piece."""
        searched = self.places.setdefault(place, Searched())
        searched.pieces += 1
        searched.size += len(data)
        searched.found |= self.canaries.found_in(data)
        searched.witnesses |= {witness for witness in WITNESSES.get(place, ()) if witness in data}

    def found(self, place: str) -> set[str]:
        """The kinds of what was found there."""
        return {canary.kind for canary, _ in self.places[place].found}

    def leaks(self) -> set[tuple[str, str, str, str]]:
        """Place, kind, text and notation of what was found and should not have been."""
        return {
            (place, canary.kind, canary.text, notation)
            for place, searched in self.places.items()
            for canary, notation in searched.found
            if (place, canary.kind) not in SHOWN
        }

    def table(self) -> Iterator[tuple[str, int, int, int, int, int]]:
        """Place, canaries that were looked for, pieces, bytes, canaries found, and shown on purpose."""
        for place in PLACES:
            searched = self.places[place]
            found = {canary for canary, _ in searched.found}
            shown = {canary for canary in found if (place, canary.kind) in SHOWN}
            counts = (searched.pieces, searched.size, len(found - shown), len(shown))
            yield (place, len(self.canaries.all), *counts)


async def look_while_running(stage: Stage, search: Search) -> None:
    """All that a running system shows."""
    keyless = await Client.connect(stage.temporal.address)

    async def look_at(execution: WorkflowExecution, info: bytes) -> None:
        search.look(DESCRIPTIONS, info)
        described = DescribeWorkflowExecutionRequest(namespace="default", execution=execution)
        answer: Any = await keyless.workflow_service.describe_workflow_execution(described)
        search.look(DESCRIPTIONS, answer.SerializeToString())
        search.look(HISTORIES, await history(keyless, execution))
        search.look(STORY, await story(keyless, execution))
        path = f"/api/v1/namespaces/default/workflows/{execution.workflow_id}"
        for page in (path, f"{path}/history?execution.runId={execution.run_id}"):
            search.look(WEB_UI, await fetched(stage.temporal.ui_url + page))

    runs = [run async for run in workflows(keyless)]
    for some in range(0, len(runs), 8):
        await asyncio.gather(*(look_at(*run) for run in runs[some : some + 8]))
    for page in ("workflows", "schedules"):
        search.look(WEB_UI, await fetched(f"{stage.temporal.ui_url}/api/v1/namespaces/default/{page}"))
    listing: Any = await keyless.workflow_service.list_schedules(ListSchedulesRequest(namespace="default"))
    search.look(SCHEDULES, listing.SerializeToString())
    for schedule in listing.schedules:
        request = DescribeScheduleRequest(namespace="default", schedule_id=schedule.schedule_id)
        answer = await keyless.workflow_service.describe_schedule(request)
        search.look(SCHEDULES, answer.SerializeToString())
    search.look(METRICS, await fetched(f"{stage.system.url}/metrics"))
    port = stage.settings["TIDINGS_WORKER_METRICS_PORT"]
    search.look(METRICS, await fetched(f"http://127.0.0.1:{port}/metrics"))
    for file in database_files(stage):
        search.look(DATABASE, file.read_bytes())


async def look_after_the_end(stage: Stage, search: Search) -> None:
    """What is left once all processes have ended: files, and what was exported."""
    for file in database_files(stage):
        search.look(DATABASE, file.read_bytes())
    assert stage.temporal.db_file is not None
    with sqlite3.connect(stage.temporal.db_file) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    for file in database_files(stage):
        search.look(DATABASE, file.read_bytes())
    for log in (*stage.system.logs, stage.temporal.log_file, stage.postgres.log_file):
        search.look(LOGS, log.read_bytes())
    for printed in stage.printed:
        search.look(COMMANDS, printed)
    search.look(TRACES, bytes(stage.collector.received))


def database_files(stage: Stage) -> list[Path]:
    """The database with its journal, as they are now."""
    assert stage.temporal.db_file is not None
    return sorted(stage.temporal.db_file.parent.iterdir())


async def workflows(client: Client) -> AsyncIterator[tuple[WorkflowExecution, bytes]]:
    """Every run of every workflow, and what lists say of it."""
    token = b""
    while True:
        request = ListWorkflowExecutionsRequest(namespace="default", page_size=100, next_page_token=token)
        page: Any = await client.workflow_service.list_workflow_executions(request)
        for execution in page.executions:
            yield execution.execution, execution.SerializeToString()
        if not (token := page.next_page_token):
            return


async def history(client: Client, execution: WorkflowExecution) -> bytes:
    """All events of a run."""
    found: bytes = b""
    token = b""
    while True:
        request = GetWorkflowExecutionHistoryRequest(
            namespace="default", execution=execution, next_page_token=token
        )
        page: Any = await client.workflow_service.get_workflow_execution_history(request)
        found += page.history.SerializeToString()
        if not (token := page.next_page_token):
            return found


async def story(client: Client, execution: WorkflowExecution) -> bytes:
    """The current details, and the answer to our own query."""
    found: bytes = b""
    for query in ("__temporal_workflow_metadata", "status"):
        request = QueryWorkflowRequest(
            namespace="default", execution=execution, query=WorkflowQuery(query_type=query)
        )
        try:
            answer: Any = await client.workflow_service.query_workflow(request)
        except RPCError as error:
            found += str(error).encode() + error.raw_grpc_status
            continue
        found += answer.SerializeToString()
    return found


async def fetched(url: str) -> bytes:
    """A page."""
    async with aiohttp.request("GET", url) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


async def kept_in_postgres(stage: Stage) -> bytes:
    """Every row of ours: here they may stand."""
    connection = await asyncpg.connect(stage.postgres.database_url())
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [
            row[0]
            for table in tables
            for row in await connection.fetch(f'SELECT t::text FROM "{table[0]}" t')  # noqa: S608
        ]
    finally:
        await connection.close()
    return "\n".join(rows).encode()
