"""The payload codec: seals what this process gives to Temporal, opens what it takes from there."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Self

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ActivitySerializationContext,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

from tidings.errors import MisplacedPayload, UnreadablePayload
from tidings.temporal import names
from tidings.temporal.encryption.keys import Keyring
from tidings.temporal.encryption.seal import Seal, is_sealed

CLEAR_MARK = "tidings-clear"
"""In the metadata of what the payload converter wants left in clear."""
TENANT_MARK = "tidings-tenant"
"""In the metadata of what the payload converter knows the tenant of."""

_REMEMBERED = 20_000
"""Workflows whose tenant is remembered: many times what a worker has under way at once."""


class EncryptionCodec(PayloadCodec, WithSerializationContext):
    """Seals and opens payloads. Without a context it opens any, and seals for no workflow in particular.

    What is not sealed passes: what the `temporal` command sends, and what was written before there were keys.
    """

    def __init__(self, keys: Keyring) -> None:
        self._keys = keys
        self._workflow_id: str | None = None
        self._tenants = _Tenants()

    def with_context(self, context: SerializationContext) -> Self:
        """The codec of one workflow: seals for it, and refuses what was sealed for another."""
        bound = type(self)(self._keys)
        bound._tenants = self._tenants
        if isinstance(context, WorkflowSerializationContext | ActivitySerializationContext):
            bound._workflow_id = context.workflow_id
        return bound

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Seal each, but for those that are marked to be left in clear."""
        return [self._sealed(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Open each that is sealed. Raises a kind of UnreadablePayload for the first that cannot be."""
        try:
            return [self._opened(payload) if is_sealed(payload) else payload for payload in payloads]
        except UnreadablePayload as error:
            error.workflow_id = self._workflow_id
            raise

    def _sealed(self, payload: Payload) -> Payload:
        if CLEAR_MARK in payload.metadata:
            return payload
        workflow_id = self._workflow_id or ""
        plain = Payload()
        plain.CopyFrom(payload)
        tenant = plain.metadata.pop(TENANT_MARK, b"").decode()
        if not self._keys.seals:
            return plain
        if tenant:
            self._tenants.remember(workflow_id, tenant)
        key = self._keys.sealing
        return Seal(key.id, tenant or self._tenants.of(workflow_id), workflow_id).put_on(plain, key)

    def _opened(self, payload: Payload) -> Payload:
        seal = Seal.of(payload)
        if not self._is_at_home(seal):
            raise MisplacedPayload(seal.workflow_id)
        opened = seal.opened(payload, self._keys)
        if seal.tenant:
            self._tenants.remember(self._workflow_id or seal.workflow_id, seal.tenant)
        return opened

    def _is_at_home(self, seal: Seal) -> bool:
        here, sealed_for = self._workflow_id, seal.workflow_id
        if here is None or not sealed_for or sealed_for == here:
            return True
        # A schedule's input is sealed before Temporal appends the time of a firing to the id.
        return names.is_firing(here, of=sealed_for)


class _Tenants:
    """Whose a workflow is, for results and signals, which do not say. The last ones opened or sealed."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()

    def remember(self, workflow_id: str, tenant: str) -> None:
        if not workflow_id:
            return
        self._known[workflow_id] = tenant
        self._known.move_to_end(workflow_id)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def of(self, workflow_id: str) -> str:
        """The tenant, or nothing where it is not known."""
        return self._known.get(workflow_id, "")
