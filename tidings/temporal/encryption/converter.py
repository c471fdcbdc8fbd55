"""The data converter of every process: what values become on their way into Temporal, and back."""

from collections.abc import Sequence
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    DataConverter,
    WorkflowSerializationContext,
)

from tidings.messages.delivery import TenantMessage
from tidings.temporal.encryption.clear_text import is_for_all
from tidings.temporal.encryption.codec import CLEAR_MARK, TENANT_MARK, EncryptionCodec
from tidings.temporal.encryption.keys import Keyring
from tidings.temporal.failures import TypedFailureConverter


def data_converter(keys: Keyring) -> DataConverter:
    """How this installation's values go into Temporal."""
    return DataConverter(
        payload_converter_class=MarkingPayloadConverter,
        payload_codec=EncryptionCodec(keys),
        failure_converter_class=TypedFailureConverter,
    )


def of_workflow(client: Client, workflow_id: str) -> DataConverter:
    """The client's converter for what it reads of one workflow itself: what belongs elsewhere is refused."""
    context = WorkflowSerializationContext(namespace=client.namespace, workflow_id=workflow_id)
    return client.data_converter.with_context(context)


class MarkingPayloadConverter(PydanticPayloadConverter):
    """Tells the codec, which sees bytes alone, what to leave in clear and whose the rest is."""

    def __init__(self) -> None:
        super().__init__()  # Temporal makes it without arguments

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        """See the base class."""
        payloads = super().to_payloads(values)
        for value, payload in zip(values, payloads, strict=True):
            if is_for_all(value):
                payload.metadata[CLEAR_MARK] = b"1"
            elif isinstance(value, TenantMessage):
                payload.metadata[TENANT_MARK] = value.tenant.encode()
        return payloads
