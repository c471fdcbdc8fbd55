"""Failures in Temporal: typed, one sentence in clear, nothing of what an error says or where it arose."""

import dataclasses

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError, CancelledError, FailureError

from tidings.errors import QueryTooSlow, StorageUnavailable, UnknownCodecKey
from tidings.temporal.failures import SENTENCES, UNFORESEEN, FailureType, TypedFailureConverter

CONVERTER = dataclasses.replace(pydantic_data_converter, failure_converter_class=TypedFailureConverter)
CANARY = "canary.ada@example.com"


async def converted(error: BaseException) -> Failure:
    """The failure of an error that was raised, with causes of its own."""
    caught: BaseException
    try:
        try:
            raise ValueError(f"[parameters: {CANARY}]")
        except ValueError as cause:
            raise error from cause
    except BaseException as raised:
        caught = raised
    failure = Failure()
    await CONVERTER.encode_failure(caught, failure)
    return failure


def in_clear(failure: Failure) -> str:
    """All that whoever has no key reads of it."""
    copy = Failure()
    copy.CopyFrom(failure)
    inner = copy
    while True:
        inner.ClearField("encoded_attributes")
        if not inner.HasField("cause"):
            return str(copy)
        inner = inner.cause


@pytest.mark.parametrize("kind", [StorageUnavailable, QueryTooSlow])
async def test_an_error_that_was_foreseen_is_one_sentence(kind: type[Exception]) -> None:
    failure = await converted(kind(f"Postgres is not available: {CANARY}"))
    assert failure.message == SENTENCES[kind.__name__]
    assert failure.application_failure_info.type == kind.__name__
    assert failure.stack_trace == ""
    assert not failure.HasField("cause")
    assert CANARY not in in_clear(failure)


@pytest.mark.parametrize("kind", FailureType)
async def test_what_our_activities_say_on_purpose_is_in_clear(kind: FailureType) -> None:
    failure = await converted(ApplicationError("not before 2026-11-21 12:04:10 UTC", type=kind))
    assert failure.message == "not before 2026-11-21 12:04:10 UTC"
    assert failure.application_failure_info.type == kind


async def test_an_error_nobody_foresaw_has_its_type_in_clear_and_all_else_sealed() -> None:
    failure = await converted(LookupError(f"no row for {CANARY}"))
    assert (failure.message, failure.cause.message) == (UNFORESEEN, UNFORESEEN)
    assert failure.application_failure_info.type == "LookupError"
    assert failure.cause.application_failure_info.type == "ValueError"
    assert failure.stack_trace == failure.cause.stack_trace == ""
    assert CANARY not in in_clear(failure)


async def test_the_sealed_part_tells_developers_where_it_was_raised() -> None:
    failure = await converted(LookupError("no such row"))
    error = await CONVERTER.decode_failure(failure)
    assert isinstance(error, FailureError)
    assert error.message == "no such row"
    assert error.failure is not None
    assert "raise error from cause" in error.failure.stack_trace
    again = Failure()
    await CONVERTER.encode_failure(error, again)
    assert again.message == UNFORESEEN


async def test_addresses_are_masked_even_in_the_sealed_part() -> None:
    failure = await converted(LookupError(f"no row for {CANARY}"))
    assert CANARY not in str(failure)
    assert "no row for [email]" in str(failure)


async def test_what_temporal_itself_says_stays() -> None:
    failure = await converted(CancelledError("Cancelled"))
    assert failure.message == "Cancelled"
    assert failure.stack_trace == ""


@pytest.mark.parametrize("wrapped", [False, True], ids=["as it is", "in the SDK's words"])
async def test_whoever_lacks_a_key_reads_that_it_is_lacking(wrapped: bool) -> None:
    lacking = UnknownCodecKey("old")
    error = ApplicationError("Failed decoding arguments")
    error.__cause__ = lacking
    failure = Failure()
    await CONVERTER.encode_failure(error if wrapped else lacking, failure)
    assert failure.message == str(lacking)
    assert failure.application_failure_info.type == "UnknownCodecKey"
    assert not failure.HasField("encoded_attributes")
    assert not failure.HasField("cause")
