"""Whether what Temporal keeps is sealed, and the keys that are set here open it."""

from collections.abc import Sequence
from datetime import timedelta

from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError

from tidings.doctor.finding import Finding, State
from tidings.errors import OrchestratorUnavailable, SetupError, UnreadablePayload
from tidings.settings import CodecSettings
from tidings.temporal import names
from tidings.temporal.calls import is_absence, translated
from tidings.temporal.encryption.keys import Keyring, keyring
from tidings.temporal.encryption.seal import Seal, is_sealed

_CALL = timedelta(seconds=5)
_SAME_EVERYWHERE = "give the API, the workers and the command line the same keys: docs/encryption.md"


async def keys() -> Sequence[Finding]:
    """Finding `codec keys`: that they can be read, and which one seals. Only their ids are shown."""
    try:
        ring = keyring(CodecSettings.load())
    except SetupError as error:
        return [Finding("codec keys", State.FAILED, str(error))]
    if ring.seals:
        others = [key.id for key in ring.keys[1:]]
        opens = f", {' and '.join(others)} only open{'s' if len(others) == 1 else ''}" if others else ""
        return [Finding("codec keys", State.OK, f"{ring.sealing.id} seals{opens}")]
    remedy = "unset TIDINGS_CODEC where personal data is real: docs/encryption.md"
    return [Finding("codec keys", State.WARNING, "TIDINGS_CODEC=off: Temporal keeps all in clear", remedy)]


async def newest(client: Client) -> Sequence[Finding]:
    """Finding `sealed payloads`: that our keys open what the newest notification began with. None where there
    is no notification."""
    try:
        with translated():
            payload = await _newest_payload(client)
    except OrchestratorUnavailable as error:
        return [Finding("sealed payloads", State.FAILED, str(error))]
    if payload is None:
        return []
    try:
        ring = keyring(CodecSettings.load())
    except SetupError:  # which `codec keys` says
        return [Finding("sealed payloads", State.UNCHECKED, "no key to try on the newest notification")]
    return [_opened(payload, ring)]


async def _newest_payload(client: Client) -> Payload | None:
    """What the newest notification's workflow was started with, as Temporal keeps it."""
    found = await _newest_run(client)
    if found is None:
        return None
    handle = client.get_workflow_handle(found.id, run_id=found.run_id)
    try:
        async for event in handle.fetch_history_events(page_size=1, rpc_timeout=_CALL):
            return next(iter(event.workflow_execution_started_event_attributes.input.payloads), None)
    except RPCError as error:
        if not is_absence(error):  # forgotten since it was listed
            raise
    return None


async def _newest_run(client: Client) -> WorkflowExecution | None:
    """Of the first page of the index, which lists those that are open before all others."""
    listed = client.list_workflows(f"WorkflowType = '{names.WORKFLOW_TYPE}'", rpc_timeout=_CALL)
    await listed.fetch_next_page()
    return max(listed.current_page or [], key=lambda run: run.start_time, default=None)


def _opened(payload: Payload, ring: Keyring) -> Finding:
    name = "sealed payloads"
    if not is_sealed(payload):
        if not ring.seals:
            return Finding(name, State.OK, "the newest notification is in clear, as it is set here")
        found = "the newest notification is in clear, though keys are set here"
        return Finding(name, State.WARNING, found, _SAME_EVERYWHERE)
    try:
        seal = Seal.of(payload)
        seal.opened(payload, ring)
    except UnreadablePayload as error:
        return Finding(name, State.FAILED, f"the newest notification: {error}", _SAME_EVERYWHERE)
    return Finding(name, State.OK, f"the newest notification is sealed with {seal.key_id}, which opens it")
