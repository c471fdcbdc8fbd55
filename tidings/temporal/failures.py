"""Failures as Temporal keeps and shows them: a type and one sentence of ours in clear, all else sealed.

A stack trace helps nobody who is woken at night, and an error's own words may quote a recipient or an input.
The words, and where nobody foresaw the error its stack trace too, go into the failure's encoded attributes,
which the payload codec seals: whoever may read payloads reads them there.
"""

import traceback
from enum import StrEnum

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverterWithEncodedAttributes, PayloadConverter

from tidings.domain.masking import masked
from tidings.errors import UnreadablePayload


class FailureType(StrEnum):
    """What our activities fail with on purpose. Their messages are ours, without personal data."""

    NOT_DUE = "NotDue"
    """The attempt's time has not come: Temporal hands it out again when it has."""
    NO_ROOM = "NoRoom"
    """Other messages' files fill the worker's memory."""
    NOT_SETTLED = "NotSettled"
    """A receipt speaks of an attempt that is still under way."""


SENTENCES = {
    "StorageUnavailable": "Postgres cannot be reached or cannot serve now: it is tried again until it can.",
    "QueryTooSlow": "Postgres gave up on a statement that took too long: it is tried again.",
    "NotFound": "The notification is not in the database.",
    "SetupError": "This worker cannot run as it is set up: its log says why.",
}
"""What is said in clear of errors that were foreseen, by their type."""

UNFORESEEN = "Nobody foresaw this error: its words and its stack trace are sealed in this failure."

_OURS = frozenset(kind.value for kind in FailureType)


class TypedFailureConverter(DefaultFailureConverterWithEncodedAttributes):
    """Writes failures with a type and one sentence; reads those of any converter."""

    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
    ) -> None:
        """Fill in `failure`. The SDK's converter calls this for each of its causes too."""
        super().to_failure(exception, payload_converter, failure)
        failure.stack_trace = ""
        words = masked(getattr(exception, "message", None) or str(exception))
        if failure.WhichOneof("failure_info") != "application_failure_info":
            # A time-out, a cancellation and the like, in words of Temporal's own.
            failure.message = words
            failure.ClearField("encoded_attributes")
            return
        if (refused := _refused_payload(exception)) is not None:
            # It holds nothing of anybody, and whoever lacks the key must be able to read that it is lacking.
            failure.message = str(refused)
            failure.application_failure_info.type = type(refused).__name__
            failure.ClearField("encoded_attributes")
            failure.ClearField("cause")
            return
        kind = failure.application_failure_info.type
        sealed = {"message": words}
        if kind in _OURS or kind in SENTENCES:
            failure.message = SENTENCES.get(kind, words)
            # What a driver said of it is in the sealed words, as far as it matters.
            failure.ClearField("cause")
        else:
            failure.message = UNFORESEEN
            sealed["stack_trace"] = "".join(traceback.format_tb(exception.__traceback__))
        failure.encoded_attributes.CopyFrom(payload_converter.to_payloads([sealed])[0])


def _refused_payload(exception: BaseException) -> UnreadablePayload | None:
    """Why a payload was not opened. The SDK itself says only that arguments cannot be decoded."""
    for error in (exception, exception.__cause__):
        if isinstance(error, UnreadablePayload):
            return error
    return None
