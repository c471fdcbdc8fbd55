"""Setting Temporal's namespace up: on servers of our own, and where an operator's calls are refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    AddSearchAttributesResponse,
    ListSearchAttributesResponse,
    RemoveSearchAttributesRequest,
)
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsResponse,
    DescribeNamespaceResponse,
    GetSystemInfoResponse,
)
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCStatusCode

from tests.grpc_server import Answer, Refusal, ScriptedGrpc, scripted_grpc
from tidings.errors import AccessRefused, NamespaceNotReady, OrchestratorUnavailable, SetupError
from tidings.local.temporal_server import TemporalServer
from tidings.temporal import namespace
from tidings.temporal.names import SEARCH_ATTRIBUTES
from tidings.temporal.namespace_setup import set_up

MONTH = timedelta(days=30)
REFUSED = Refusal(RPCStatusCode.PERMISSION_DENIED)
INVALID = Refusal(RPCStatusCode.INVALID_ARGUMENT, "invalid search attribute")


@pytest.fixture
async def nowhere(temporal_server: TemporalServer) -> Client:
    """A client of a namespace that is not there."""
    return await Client.connect(temporal_server.address, namespace=f"test-{uuid4().hex}")


async def start(client: Client) -> None:
    """A workflow with all our search attributes."""
    pairs = [SearchAttributePair(attribute, "value") for attribute in SEARCH_ATTRIBUTES]
    handle = await client.start_workflow(
        "Nothing", id="it", task_queue="nobody", search_attributes=TypedSearchAttributes(pairs)
    )
    await handle.terminate()


async def test_a_missing_namespace_is_made_and_can_be_used_at_once(nowhere: Client) -> None:
    said: list[str] = []
    with pytest.raises(NamespaceNotReady, match=f"no namespace '{nowhere.namespace}': `tidings migrate`"):
        await namespace.check(nowhere)

    await set_up(nowhere, timedelta(days=3), said.append)

    await start(nowhere)
    await namespace.check(nowhere)
    assert said == [
        f"created the namespace {nowhere.namespace}, retention 3 days",
        "registered the search attributes"
        " NotificationStatus, NotificationChannel, NotificationTenant (Keyword)",
    ]
    found = await namespace.look(nowhere)
    assert found is not None
    assert found.retention == timedelta(days=3)


async def test_a_second_time_does_and_says_nothing(nowhere: Client) -> None:
    await set_up(nowhere, MONTH, lambda line: None)
    said: list[str] = []
    await set_up(nowhere, timedelta(days=3), said.append)
    assert said == []
    found = await namespace.look(nowhere)
    assert found is not None
    assert found.retention == MONTH


async def test_several_at_once_all_end_well(nowhere: Client) -> None:
    said: list[str] = []
    await asyncio.gather(*(set_up(nowhere, MONTH, said.append) for _ in range(8)))
    assert [line for line in said if line.startswith("created")] == [
        f"created the namespace {nowhere.namespace}, retention 30 days"
    ]
    await start(nowhere)


@pytest.mark.parametrize(("days", "line"), [(60, "raised"), (7, "lowered")])
async def test_retention_is_changed_where_it_is_told_and_said(nowhere: Client, days: int, line: str) -> None:
    await set_up(nowhere, MONTH, lambda line: None)
    said: list[str] = []
    await set_up(nowhere, timedelta(days=days), said.append, change_retention=True)
    assert said == [f"{line} the retention of {nowhere.namespace} from 30 days to {days} days"]


async def test_a_search_attribute_that_was_removed_is_registered_again(nowhere: Client) -> None:
    await set_up(nowhere, MONTH, lambda line: None)
    await nowhere.operator_service.remove_search_attributes(
        RemoveSearchAttributesRequest(namespace=nowhere.namespace, search_attributes=["NotificationTenant"])
    )
    with pytest.raises(
        NamespaceNotReady, match="lacks the search attributes NotificationTenant: run `tidings migrate`"
    ):
        await namespace.check(nowhere)
    said: list[str] = []
    await set_up(nowhere, MONTH, said.append)
    assert said == ["registered the search attributes NotificationTenant (Keyword)"]
    await start(nowhere)


async def test_a_search_attribute_of_another_type_is_said_with_the_remedy(
    temporal_server: TemporalServer,
) -> None:
    client = await Client.connect(temporal_server.address, namespace=f"test-{uuid4().hex}")
    await set_up(client, MONTH, lambda line: None)
    await client.operator_service.remove_search_attributes(
        RemoveSearchAttributesRequest(namespace=client.namespace, search_attributes=["NotificationStatus"])
    )
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(
            namespace=client.namespace,
            search_attributes={"NotificationStatus": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST},
        )
    )
    remedy = (
        "NotificationStatus is of type KeywordList and must be Keyword.*"
        f"temporal operator search-attribute remove --namespace {client.namespace} --name NotificationStatus"
    )
    with pytest.raises(SetupError, match=remedy):
        await set_up(client, MONTH, lambda line: None)
    with pytest.raises(NamespaceNotReady, match=remedy):
        await namespace.check(client)


async def test_a_namespace_that_is_full_is_said_with_the_remedy(nowhere: Client) -> None:
    await set_up(nowhere, MONTH, lambda line: None)
    names = [attribute.name for attribute in SEARCH_ATTRIBUTES]
    await nowhere.operator_service.remove_search_attributes(
        RemoveSearchAttributesRequest(namespace=nowhere.namespace, search_attributes=names)
    )
    for number in range(10):
        await nowhere.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=nowhere.namespace,
                search_attributes={f"Own{number}": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD},
            )
        )
    with pytest.raises(SetupError, match=r"cannot have more than 10.*TEMPORAL_NAMESPACE"):
        await set_up(nowhere, MONTH, lambda line: None)


async def test_a_retention_that_temporal_does_not_take_is_said(nowhere: Client) -> None:
    with pytest.raises(SetupError, match=r"TEMPORAL_NAMESPACE and TIDINGS_TEMPORAL_RETENTION"):
        await set_up(nowhere, timedelta(seconds=30), lambda line: None)


def there(days: int = 30) -> DescribeNamespaceResponse:
    retention = Duration(seconds=days * 86_400)
    return DescribeNamespaceResponse(config=NamespaceConfig(workflow_execution_retention_ttl=retention))


@asynccontextmanager
async def cloud(**answers: Answer) -> AsyncIterator[tuple[ScriptedGrpc, Client]]:
    """What refuses every call that it is not told to answer, as Temporal Cloud does an operator's."""
    async with scripted_grpc({"GetSystemInfo": GetSystemInfoResponse(), **answers}) as server:
        yield server, await Client.connect(server.address, namespace="tidings.a1b2c")


async def test_where_attributes_may_not_be_listed_a_query_tells_that_all_is_there() -> None:
    said: list[str] = []
    async with cloud(
        DescribeNamespace=there(), CountWorkflowExecutions=CountWorkflowExecutionsResponse()
    ) as (server, client):
        await set_up(client, MONTH, said.append)
        await namespace.check(client)
    assert said == []
    assert server.asked["ListSearchAttributes"] == 2
    assert server.asked["AddSearchAttributes"] == 0


@pytest.mark.parametrize("status", [RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED], ids=str)
async def test_where_attributes_may_not_be_added_the_command_that_may_is_said(status: RPCStatusCode) -> None:
    async with cloud(
        DescribeNamespace=there(),
        CountWorkflowExecutions=INVALID,
        ListSearchAttributes=Refusal(status),
        AddSearchAttributes=Refusal(status),
    ) as (_, client):
        command = (
            "tcld namespace search-attributes add --namespace tidings.a1b2c"
            ' --search-attribute "NotificationStatus=Keyword"'
        )
        with pytest.raises(SetupError, match=command):
            await set_up(client, MONTH, lambda line: None)
        with pytest.raises(NamespaceNotReady, match=command):
            await namespace.check(client)


async def test_where_the_namespace_may_not_be_looked_at_the_settings_are_said() -> None:
    async with cloud() as (_, client):
        with pytest.raises(SetupError, match="TEMPORAL_API_KEY, TEMPORAL_TLS_… and TEMPORAL_NAMESPACE"):
            await set_up(client, MONTH, lambda line: None)
        with pytest.raises(AccessRefused, match="Request unauthorized"):
            await namespace.check(client)


async def test_a_retention_that_may_not_be_changed_is_said_with_the_command() -> None:
    async with cloud(
        DescribeNamespace=there(7), CountWorkflowExecutions=CountWorkflowExecutionsResponse()
    ) as (_, client):
        with pytest.raises(SetupError, match=r"tcld namespace retention set .* --retention-days 30"):
            await set_up(client, MONTH, lambda line: None, change_retention=True)


async def test_a_server_that_never_settles_is_given_up_on_without_a_hot_spin() -> None:
    async with cloud(
        DescribeNamespace=there(),
        ListSearchAttributes=ListSearchAttributesResponse(),
        AddSearchAttributes=AddSearchAttributesResponse(),
    ) as (server, client):
        said: list[str] = []
        with pytest.raises(OrchestratorUnavailable, match="run `tidings migrate` again"):
            await set_up(client, MONTH, said.append, settles_within=1)
    assert len(said) == 1
    assert 1 <= server.asked["AddSearchAttributes"] <= 6
