"""Setting the namespace up: any number of times, by any number of processes at once.

A cluster of one's own lets its clients do all of it. Temporal Cloud has tools of its own for namespaces and
search attributes, which the errors name; there nothing is changed, only looked at.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tidings.errors import AccessRefused, NamespaceNotReady, OrchestratorUnavailable, SetupError
from tidings.temporal.calls import unavailable
from tidings.temporal.namespace import (
    KEYWORD,
    NAMES,
    NO_OPERATOR,
    UNFIT,
    Namespace,
    attribute_types,
    cloud_attributes,
    is_usable,
    look,
    wrong_type,
)

SETTLES_WITHIN = 60.0
"""Seconds that a server may take until all of it knows what was just made; by default each of its processes
looks every ten."""
_PAUSE = 0.2
_CALL = timedelta(seconds=10)

Say = Callable[[str], None]
"""Is told of each thing that was done, in a line."""


async def set_up(
    client: Client,
    retention: timedelta,
    say: Say,
    *,
    change_retention: bool = False,
    settles_within: float = SETTLES_WITHIN,
) -> None:
    """Make sure of the client's namespace and our search attributes, and that both can be used.

    `retention` is a new namespace's; one that is there keeps its own unless `change_retention`.
    `settles_within`: seconds to wait for the server. Raises SetupError, in one line with the remedy, on what
    we cannot or may not do; OrchestratorUnavailable.
    """
    try:
        async with asyncio.timeout(settles_within):
            found = await _namespace(client, retention, say)
            if change_retention and found.retention != retention:
                await _change_retention(client, found.retention, retention, say)
            await _attributes(client, say)
            await _usable(client)
    except TimeoutError:
        raise OrchestratorUnavailable(
            f"Temporal was not done within {settles_within:g} s: run `tidings migrate` again."
        ) from None


async def _namespace(client: Client, retention: timedelta, say: Say) -> Namespace:
    found = await _look(client)
    if found is not None:
        return found
    name = client.namespace
    request = RegisterNamespaceRequest(
        namespace=name,
        description="Notifications of Tidings",
        workflow_execution_retention_period=_duration(retention),
    )
    try:
        await client.workflow_service.register_namespace(request, timeout=_CALL)
    except RPCError as error:
        if error.status in NO_OPERATOR:
            raise _may_not_create(name, retention, error) from error
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise SetupError(
                f"Temporal does not create the namespace {name!r}: {error.message}. "
                "Check TEMPORAL_NAMESPACE and TIDINGS_TEMPORAL_RETENTION."
            ) from error
        if error.status is not RPCStatusCode.ALREADY_EXISTS:  # another process was faster
            raise unavailable(error) from error
    else:
        say(f"created the namespace {name}, retention {_days(retention)}")
    while True:
        found = await _look(client)
        if found is not None:
            return found
        await asyncio.sleep(_PAUSE)


async def _look(client: Client) -> Namespace | None:
    try:
        return await look(client)
    except AccessRefused as error:
        raise SetupError(
            f"{error} On Temporal Cloud TEMPORAL_NAMESPACE is the namespace's full id (name.account), "
            "and it is created there, not by us."
        ) from error


async def _change_retention(client: Client, old: timedelta, new: timedelta, say: Say) -> None:
    request = UpdateNamespaceRequest(
        namespace=client.namespace,
        config=NamespaceConfig(workflow_execution_retention_ttl=_duration(new)),
    )
    try:
        await client.workflow_service.update_namespace(request, timeout=_CALL)
    except RPCError as error:
        if error.status not in NO_OPERATOR:
            raise unavailable(error) from error
        raise SetupError(
            f"The retention of {client.namespace} is {_days(old)}, and we may not change it "
            f"({error.status.name}). Unset TIDINGS_TEMPORAL_RETENTION, or on Temporal Cloud: "
            f"tcld namespace retention set --namespace {client.namespace} --retention-days {new.days}"
        ) from error
    word = "raised" if new > old else "lowered"
    say(f"{word} the retention of {client.namespace} from {_days(old)} to {_days(new)}")


async def _attributes(client: Client, say: Say) -> None:
    said = False
    while True:
        try:
            types = await attribute_types(client)
        except NamespaceNotReady:  # made a moment ago, and not known to the whole server yet
            await asyncio.sleep(_PAUSE)
            continue
        wrong = {name: kind for name, kind in types.items() if kind not in (None, KEYWORD, UNFIT)}
        if wrong:
            faults = "; ".join(wrong_type(client.namespace, name, kind or "") for name, kind in wrong.items())
            raise SetupError(f"{faults[0].upper()}{faults[1:]}.")
        missing = [name for name, kind in types.items() if kind != KEYWORD]
        if not missing:
            return
        if await _add(client, missing) and not said:
            said = True
            say(f"registered the search attributes {', '.join(missing)} (Keyword)")
        await asyncio.sleep(_PAUSE)


async def _add(client: Client, missing: list[str]) -> bool:
    """Whether it was done; not if others were changing the namespace at the same moment."""
    request = AddSearchAttributesRequest(
        namespace=client.namespace,
        search_attributes=dict.fromkeys(missing, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD),
    )
    try:
        await client.operator_service.add_search_attributes(request, timeout=_CALL)
    except RPCError as error:
        if error.status in NO_OPERATOR:
            raise SetupError(
                f"The search attributes {', '.join(missing)} are missing (or not of type Keyword), and we "
                f"may not add them ({error.status.name}). On Temporal Cloud: "
                f"{cloud_attributes(client.namespace, missing)}; elsewhere have an administrator run "
                "`tidings migrate`."
            ) from error
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise SetupError(
                f"Temporal does not register {', '.join(missing)}: {error.message} Remove search attributes "
                "that nobody uses, or give Tidings a namespace of its own (TEMPORAL_NAMESPACE)."
            ) from error
        # Several that add at once get in one another's way, and the server says UNAVAILABLE to the loser.
        if error.status not in (RPCStatusCode.ALREADY_EXISTS, RPCStatusCode.UNAVAILABLE):
            raise unavailable(error) from error
        return False
    return True


async def _usable(client: Client) -> None:
    """Wait until a query takes every attribute; then a start does as well."""
    waiting = list(NAMES)
    while waiting:
        try:
            waiting = [name for name in waiting if not await is_usable(client, name)]
        except RPCError as error:
            raise unavailable(error) from error
        if waiting:
            await asyncio.sleep(_PAUSE)


def _may_not_create(name: str, retention: timedelta, error: RPCError) -> SetupError:
    return SetupError(
        f"There is no namespace {name!r}, and we may not create one ({error.status.name}). On Temporal Cloud "
        f"create it at https://cloud.temporal.io, with a retention of {retention.days} days; elsewhere have "
        "an administrator run `tidings migrate`."
    )


def _duration(time: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(time)
    return duration


def _days(time: timedelta) -> str:
    return f"{time / timedelta(days=1):g} days"
