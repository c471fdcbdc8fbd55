"""Sealed payloads: what is bound to them, and what is refused."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.converter import ActivitySerializationContext, WorkflowSerializationContext

from tidings.errors import AlteredPayload, MisplacedPayload, UnknownCodecKey, UnknownSeal, UnreadablePayload
from tidings.temporal.encryption.codec import CLEAR_MARK, TENANT_MARK, EncryptionCodec
from tidings.temporal.encryption.keys import Key, Keyring

A = Key("a", bytes(range(32)))
B = Key("b", bytes(range(32, 64)))
WORKFLOW = "notification-0193d0f0-0000-7000-8000-000000000000"
FIRE = "schedule-0193d0f0-0000-7000-8000-000000000000-fire"


def codec(*keys: Key, workflow: str | None = WORKFLOW) -> EncryptionCodec:
    without = EncryptionCodec(Keyring(keys or (A,)))
    if workflow is None:
        return without
    return without.with_context(WorkflowSerializationContext(namespace="default", workflow_id=workflow))


def activity_codec(workflow: str) -> EncryptionCodec:
    context = ActivitySerializationContext(
        namespace="default",
        activity_id="1",
        activity_type="send",
        activity_task_queue="tidings",
        workflow_id=workflow,
        workflow_type="DeliverNotification",
        is_local=False,
    )
    return codec(workflow=None).with_context(context)


def payload(data: bytes = b'"secret"', **metadata: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain", **metadata}, data=data)


def seal(given: Payload, by: EncryptionCodec) -> Payload:
    (sealed,) = asyncio.run(by.encode([given]))
    return sealed


def opened(sealed: Payload, by: EncryptionCodec) -> Payload:
    (plain,) = asyncio.run(by.decode([sealed]))
    return plain


def changed(sealed: Payload, **metadata: bytes) -> Payload:
    copy = Payload()
    copy.CopyFrom(sealed)
    for field, value in metadata.items():
        copy.metadata[field.replace("_", "-")] = value
    return copy


def metadata(sealed: Payload) -> Mapping[str, Any]:
    return dict(sealed.metadata)


@given(st.binary(max_size=2_000), st.dictionaries(st.text(max_size=20), st.binary(max_size=20), max_size=3))
def test_what_was_sealed_is_what_is_opened(data: bytes, fields: dict[str, bytes]) -> None:
    plain = Payload(metadata={key: value for key, value in fields.items() if "tidings" not in key}, data=data)
    sealed = seal(plain, codec())
    assert sealed.metadata["encoding"] == b"binary/encrypted"
    assert opened(sealed, codec()) == plain


def test_a_seal_says_all_that_a_reader_without_context_needs() -> None:
    sealed = seal(payload(**{TENANT_MARK: b"acme"}), codec())
    assert metadata(sealed) == {
        "encoding": b"binary/encrypted",
        "tidings-form": b"1",
        "encryption-key-id": b"a",
        "tidings-tenant": b"acme",
        "tidings-workflow": WORKFLOW.encode(),
    }
    assert b"secret" not in sealed.SerializeToString()
    assert opened(sealed, codec(workflow=None)) == payload()


def test_no_two_seals_are_alike() -> None:
    assert len({seal(payload(), codec()).data for _ in range(50)}) == 50


def test_every_bit_that_is_changed_is_noticed() -> None:
    sealed = seal(payload(**{TENANT_MARK: b"acme"}), codec())
    for place in range(len(sealed.data) * 8):
        data = bytearray(sealed.data)
        data[place // 8] ^= 1 << place % 8
        with pytest.raises(AlteredPayload):
            opened(Payload(metadata=dict(sealed.metadata), data=bytes(data)), codec())


@pytest.mark.parametrize("field", ["tidings-form", "encryption-key-id", "tidings-tenant", "tidings-workflow"])
def test_every_bit_of_what_is_bound_is_noticed_too(field: str) -> None:
    sealed = seal(payload(**{TENANT_MARK: b"acme"}), codec())
    value = sealed.metadata[field]
    for place in range(len(value) * 8):
        other = bytearray(value)
        other[place // 8] ^= 1 << place % 8
        with pytest.raises(UnreadablePayload):
            opened(changed(sealed, **{field: bytes(other)}), codec(workflow=None))


@pytest.mark.parametrize("length", [0, 1, 11, 12, 27, 28])
def test_what_is_cut_short_is_refused(length: int) -> None:
    sealed = seal(payload(), codec())
    with pytest.raises(AlteredPayload):
        opened(Payload(metadata=dict(sealed.metadata), data=sealed.data[:length]), codec())


@pytest.mark.parametrize("field", ["encryption-key-id", "tidings-tenant", "tidings-workflow"])
def test_what_lacks_a_part_of_its_seal_is_refused(field: str) -> None:
    sealed = seal(payload(), codec())
    del sealed.metadata[field]
    with pytest.raises(AlteredPayload):
        opened(sealed, codec())


def test_the_fields_cannot_be_shifted_into_one_another() -> None:
    sealed = seal(payload(**{TENANT_MARK: b"acme"}), codec())
    shifted = changed(sealed, tidings_tenant=b"ac", tidings_workflow=b"me" + WORKFLOW.encode())
    with pytest.raises(AlteredPayload):
        opened(shifted, codec(workflow=None))


def test_another_tenant_is_refused() -> None:
    sealed = seal(payload(**{TENANT_MARK: b"acme"}), codec())
    with pytest.raises(AlteredPayload):
        opened(changed(sealed, tidings_tenant=b"other"), codec())


def test_what_was_copied_from_another_workflow_does_not_open() -> None:
    sealed = seal(payload(), codec())
    for elsewhere in (codec(workflow="notification-other"), activity_codec("notification-other")):
        with pytest.raises(MisplacedPayload, match=WORKFLOW):
            opened(sealed, elsewhere)
    with pytest.raises(AlteredPayload):
        opened(changed(sealed, tidings_workflow=b"notification-other"), codec(workflow="notification-other"))
    assert opened(sealed, activity_codec(WORKFLOW)) == payload()


def test_a_schedules_input_opens_in_its_firings_and_in_those_alone() -> None:
    sealed = seal(payload(), codec(workflow=FIRE))
    assert opened(sealed, codec(workflow=f"{FIRE}-2026-11-21T10:00:00Z")) == payload()
    for elsewhere in (WORKFLOW, FIRE.replace("0193", "0194") + "-2026-11-21T10:00:00Z"):
        with pytest.raises(MisplacedPayload):
            opened(sealed, codec(workflow=elsewhere))
    ordinary = seal(payload(), codec(workflow="notification-1"))
    with pytest.raises(MisplacedPayload):
        opened(ordinary, codec(workflow="notification-1-2"))


def test_what_belongs_to_no_workflow_opens_in_any() -> None:
    sealed = seal(payload(), codec(workflow=None))
    assert opened(sealed, codec()) == payload()


def test_the_first_key_seals_and_all_open() -> None:
    before = seal(payload(), codec(A))
    after = seal(payload(), codec(B, A))
    assert after.metadata["encryption-key-id"] == b"b"
    assert opened(before, codec(B, A)) == opened(after, codec(B, A)) == payload()


def test_a_key_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownCodecKey, match=r"the key 'a'.*add it to TIDINGS_CODEC_KEYS"):
        opened(seal(payload(), codec(A)), codec(B))


def test_another_key_of_the_same_id_does_not_open() -> None:
    with pytest.raises(AlteredPayload, match="another key under the same id"):
        opened(seal(payload(), codec(A)), codec(Key("a", B.secret)))


def test_a_form_of_another_release_is_named() -> None:
    with pytest.raises(UnknownSeal, match="'2'"):
        opened(changed(seal(payload(), codec()), tidings_form=b"2"), codec())


def test_what_was_never_sealed_passes() -> None:
    assert opened(payload(), codec()) == payload()


def test_what_is_marked_stays_in_clear() -> None:
    marked = payload(**{CLEAR_MARK: b"1"})
    assert seal(marked, codec()) == marked


def test_results_are_sealed_for_the_tenant_of_what_was_opened() -> None:
    """They do not say whose they are; the start of the workflow did."""
    start = seal(payload(**{TENANT_MARK: b"acme"}), codec())
    worker = codec(workflow=None)
    context = WorkflowSerializationContext(namespace="default", workflow_id=WORKFLOW)
    assert seal(payload(), worker.with_context(context)).metadata["tidings-tenant"] == b""
    opened(start, worker.with_context(context))
    assert seal(payload(), worker.with_context(context)).metadata["tidings-tenant"] == b"acme"
    other = WorkflowSerializationContext(namespace="default", workflow_id="notification-other")
    assert seal(payload(), worker.with_context(other)).metadata["tidings-tenant"] == b""


def test_switched_off_nothing_is_sealed_and_what_was_still_opens() -> None:
    off = EncryptionCodec(Keyring((A,), seals=False))
    assert seal(payload(**{TENANT_MARK: b"acme"}), off) == payload()
    assert opened(seal(payload(), codec(A)), off) == payload()
