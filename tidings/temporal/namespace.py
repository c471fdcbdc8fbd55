"""The namespace we work in: whether it is there, and has our search attributes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    DescribeNamespaceRequest,
    GetSystemInfoRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tidings.errors import NamespaceNotReady
from tidings.temporal.calls import REFUSED, missing_namespace, namespace_missing, translated
from tidings.temporal.names import SEARCH_ATTRIBUTES

KEYWORD = "Keyword"
"""The type that every search attribute of ours has."""
UNFIT = "not Keyword, or missing"
"""What is known of an attribute where only a query can be asked."""

NO_OPERATOR = REFUSED | {RPCStatusCode.UNIMPLEMENTED}
"""What Temporal Cloud, and a cluster that gives us the namespace alone, answers an operator's calls."""

NAMES = tuple(attribute.name for attribute in SEARCH_ATTRIBUTES)
_CALL = timedelta(seconds=5)

Types = Mapping[str, str | None]
"""Our search attributes and the type each one has; None: it is missing."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace that is there."""

    name: str
    retention: timedelta


async def server_version(client: Client) -> str:
    """The server's version. Raises OrchestratorUnavailable."""
    with translated():
        answer = await client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=_CALL)
    return answer.server_version


async def look(client: Client) -> Namespace | None:
    """The client's namespace; None if there is none of that name. Raises OrchestratorUnavailable."""
    with translated():
        try:
            answer = await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=client.namespace), timeout=_CALL
            )
        except RPCError as error:
            if missing_namespace(error) is not None:
                return None
            raise
    return Namespace(client.namespace, answer.config.workflow_execution_retention_ttl.ToTimedelta())


async def attribute_types(client: Client) -> Types:
    """The types of our search attributes, from whom we may ask. Raises OrchestratorUnavailable."""
    with translated():
        try:
            answer = await client.operator_service.list_search_attributes(
                ListSearchAttributesRequest(namespace=client.namespace), timeout=_CALL
            )
        except RPCError as error:
            if error.status not in NO_OPERATOR:
                raise
            return {name: KEYWORD if await is_usable(client, name) else UNFIT for name in NAMES}
    found = answer.custom_attributes
    return {name: _spelled(found[name]) if name in found else None for name in NAMES}


async def is_usable(client: Client, name: str) -> bool:
    """Whether the server takes the attribute, as a Keyword, at this moment: one just added may not be yet.

    Raises RPCError.
    """
    # Of all types only Keyword knows this operator.
    request = CountWorkflowExecutionsRequest(namespace=client.namespace, query=f"{name} STARTS_WITH 'x'")
    try:
        await client.workflow_service.count_workflow_executions(request, timeout=_CALL)
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            return False
        raise
    return True


async def check(client: Client) -> None:
    """Make sure that notifications can be started here.

    Raises NamespaceNotReady, in one line with the remedy, and OrchestratorUnavailable.
    """
    if await look(client) is None:
        raise NamespaceNotReady(namespace_missing(client.namespace))
    faults = attribute_faults(client.namespace, await attribute_types(client))
    if faults:
        raise NamespaceNotReady("; ".join(faults))


def attribute_faults(namespace: str, types: Types) -> list[str]:
    """What is wrong with them, a line each with its remedy."""
    missing = [name for name, kind in types.items() if kind is None]
    unfit = [name for name, kind in types.items() if kind == UNFIT]
    faults = [wrong_type(namespace, name, kind) for name, kind in types.items() if kind and _is_wrong(kind)]
    if missing:
        faults.append(f"Temporal lacks the search attributes {', '.join(missing)}: run `tidings migrate`")
    if unfit:
        faults.append(
            f"the search attributes {', '.join(unfit)} are missing, or are not of type Keyword; "
            f"on Temporal Cloud: {cloud_attributes(namespace, unfit)}"
        )
    return faults


def wrong_type(namespace: str, name: str, kind: str) -> str:
    """What to say of an attribute that somebody has registered otherwise."""
    return (
        f"the search attribute {name} is of type {kind} and must be Keyword: if nothing else uses it, "
        f"`temporal operator search-attribute remove --namespace {namespace} --name {name}` and "
        "`tidings migrate`; else give Tidings a namespace of its own (TEMPORAL_NAMESPACE)"
    )


def cloud_attributes(namespace: str, names: Iterable[str]) -> str:
    """Temporal Cloud's own command to add the attributes."""
    options = " ".join(f'--search-attribute "{name}={KEYWORD}"' for name in names)
    return f"tcld namespace search-attributes add --namespace {namespace} {options}"


def _is_wrong(kind: str) -> bool:
    return kind not in (KEYWORD, UNFIT)


def _spelled(kind: int) -> str:
    """The type as the `temporal` command writes it: `KeywordList`."""
    name = IndexedValueType.Name(IndexedValueType.ValueType(kind)).removeprefix("INDEXED_VALUE_TYPE_")
    return "".join(word.capitalize() for word in name.split("_"))
