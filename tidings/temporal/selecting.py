"""Many notifications at once, found by their search attributes: which ones, and where they stand.

Temporal's index of workflows (its visibility store) lags behind the workflows themselves, as a rule by less
than a second, and it lists every run of a workflow. Only a notification's newest run counts here.
"""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus

from tidings.domain.tenant import checked_name
from tidings.domain.vocabulary import Channel, Status
from tidings.temporal import names
from tidings.temporal.calls import translated

_PAGE = 500
_IDS_OF_ONE_QUERY = 100
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True)
class Selection:
    """What notifications to take: of these statuses and, where they are given, of this channel and tenant,
    with a workflow whose newest run started from `since` on and before `until` (aware times). `open_only`:
    whose workflow has not ended.

    Raises ValueError for a tenant whose name none may have.
    """

    statuses: Collection[Status]
    channel: Channel | None = None
    tenant: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    open_only: bool = False

    def __post_init__(self) -> None:
        if self.tenant is not None:
            checked_name(self.tenant)  # it stands between quotes in the query

    @property
    def query(self) -> str:
        """The same as a Temporal list filter; fit to be pasted into the Web UI."""
        statuses = _quoted(Status(status).value for status in self.statuses)
        conditions = [
            f"WorkflowType = '{names.WORKFLOW_TYPE}'",
            f"{names.NOTIFICATION_STATUS.name} IN ({statuses})",
            # Another run has taken over from such a one.
            "ExecutionStatus = 'Running'" if self.open_only else "ExecutionStatus != 'ContinuedAsNew'",
        ]
        if self.channel is not None:
            conditions.append(f"{names.NOTIFICATION_CHANNEL.name} = '{Channel(self.channel).value}'")
        if self.tenant is not None:
            conditions.append(f"{names.NOTIFICATION_TENANT.name} = '{self.tenant}'")
        if self.since is not None:
            conditions.append(f"StartTime >= '{_time(self.since)}'")
        if self.until is not None:
            conditions.append(f"StartTime < '{_time(self.until)}'")
        return " AND ".join(conditions)


@dataclass(frozen=True, slots=True)
class Selected:
    """A notification as the index knows it."""

    id: UUID
    status: str
    channel: str


class NotificationIndex:
    """The notifications of one Temporal namespace, as its index lists them.

    Every call raises OrchestratorUnavailable while Temporal cannot be reached or refuses us, and its kind
    NamespaceNotReady where the namespace is not there, or does not know our search attributes.
    """

    def __init__(self, client: Client, *, timeout: float = 10) -> None:
        """`timeout` bounds each call, in seconds."""
        self._client = client
        self._timeout = timedelta(seconds=timeout)

    async def select(self, selection: Selection, limit: int) -> tuple[list[Selected], bool]:
        """The selected ones, each once, and whether there are more than `limit`."""
        found: dict[UUID, Selected] = {}
        async for batch in self._batches(selection.query):
            taken = [(run, selected) for run in batch if (selected := _selected(run))]
            # An open run is the newest one.
            ended = {run.id for run, _ in taken if run.status is not WorkflowExecutionStatus.RUNNING}
            newest = {run.id: run.run_id for run in await self._newest(ended)}
            for run, selected in taken:
                if newest.get(run.id, run.run_id) == run.run_id:
                    found.setdefault(selected.id, selected)
                if len(found) > limit:
                    return list(found.values())[:limit], True
        return list(found.values()), False

    async def count(self, selection: Selection) -> int:
        """How many runs are selected, which is at least as many as there are notifications."""
        with translated():
            counted = await self._client.count_workflows(selection.query, rpc_timeout=self._timeout)
        return counted.count

    async def statuses(self, ids: Sequence[UUID]) -> Counter[str]:
        """How many of these stand where, by the index."""
        found: Counter[str] = Counter()
        for start in range(0, len(ids), _IDS_OF_ONE_QUERY):
            wanted = {names.workflow_id(id) for id in ids[start : start + _IDS_OF_ONE_QUERY]}
            found.update(run.status for run in map(_selected, await self._newest(wanted)) if run)
        return found

    async def _newest(self, workflow_ids: Collection[str]) -> list[WorkflowExecution]:
        """The newest run of each of these workflows."""
        newest: dict[str, WorkflowExecution] = {}
        wanted = sorted(workflow_ids)
        for start in range(0, len(wanted), _IDS_OF_ONE_QUERY):
            query = f"WorkflowId IN ({_quoted(wanted[start : start + _IDS_OF_ONE_QUERY])})"
            async for batch in self._batches(query):
                for run in batch:
                    known = newest.get(run.id)
                    if known is None or known.start_time < run.start_time:
                        newest[run.id] = run
        return list(newest.values())

    async def _batches(self, query: str) -> AsyncIterator[list[WorkflowExecution]]:
        listed = self._client.list_workflows(query, page_size=_PAGE, rpc_timeout=self._timeout)
        while True:
            with translated():
                await listed.fetch_next_page()
            if listed.current_page:
                yield list(listed.current_page)
            if not listed.next_page_token:
                return


def _selected(run: WorkflowExecution) -> Selected | None:
    """None for a workflow that is no notification's."""
    status = run.typed_search_attributes.get(names.NOTIFICATION_STATUS)
    try:
        id = names.id_of_workflow(run.id)
    except ValueError:
        return None
    if status is None:
        return None
    return Selected(id, status, run.typed_search_attributes.get(names.NOTIFICATION_CHANNEL) or "")


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _time(time: datetime) -> str:
    return time.astimezone(UTC).strftime(_TIME)
