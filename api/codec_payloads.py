"""Temporal's remote codec protocol: payloads as JSON in, the same opened or sealed out.

Payloads are written as protobuf's JSON has it: bytes in base64. The protocol:
https://github.com/temporalio/samples-go/blob/main/codec-server/protocol.md.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from api import problems
from api.problems import FieldError, Problem
from tidings.errors import UnknownCodecKey, UnreadablePayload
from tidings.temporal.encryption.seal import Seal, is_sealed

MOST_PAYLOADS = 1_000
MAX_BODY_BYTES = 6_000_000
"""What Temporal takes in one request, 4 MB, in base64 and with some room."""
NOTE = "tidings-note"
"""Metadata of what stands in the place of a payload that does not open."""

_MOST_IDS = 20
_OURS = "tidings-"
_STANDARD = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of a request's payloads."""

    payloads: list[Any]
    opened: int
    unopened: int
    workflows: tuple[str, ...]
    """Those that the opened ones belong to: the first few."""


class CodecPayloads:
    """Opens what is sealed and gives back all else as it came.

    A payload that does not open harms no other: in its place stands a note that says why. People read the
    answer, and the sealed one is in Temporal all the same.
    """

    def __init__(self, codec: PayloadCodec | None) -> None:
        """`codec`: without the context of a workflow; None: there is no key."""
        self._codec = codec

    async def open(self, document: Any) -> Reading:
        """Open the payloads of a body. Raises Problem (422) that names the field which is not in form."""
        given, payloads = _payloads_of(document)
        answers: list[Any] = []
        workflows: dict[str, None] = {}
        opened = unopened = 0
        for original, payload in zip(given, payloads, strict=True):
            if not is_sealed(payload):
                answers.append(original)
                continue
            try:
                plain = await self._opened(payload)
            except UnreadablePayload as error:
                unopened += 1
                plain = _note(str(error))
            else:
                opened += 1
                workflows[Seal.of(payload).workflow_id] = None
            answers.append(_as_json(plain))
        return Reading(answers, opened, unopened, tuple(workflows)[:_MOST_IDS])

    async def seal(self, document: Any) -> list[Any]:
        """Seal the payloads of a body, for no workflow in particular: the protocol does not say for which.

        Raises Problem (422).
        """
        given, payloads = _payloads_of(document)
        if self._codec is None:
            return list(given)
        for payload in payloads:
            for name in [name for name in payload.metadata if name.startswith(_OURS)]:
                del payload.metadata[name]  # words between our converter and our codec
        return [_as_json(payload) for payload in await self._codec.encode(payloads)]

    async def _opened(self, payload: Payload) -> Payload:
        if self._codec is None:
            raise UnknownCodecKey(Seal.of(payload).key_id)
        (plain,) = await self._codec.decode([payload])
        return plain


def _note(text: str) -> Payload:
    metadata = {"encoding": b"json/plain", NOTE: b"unopened"}
    return Payload(metadata=metadata, data=json.dumps(f"Not readable. {text}").encode())


def _as_json(payload: Payload) -> dict[str, Any]:
    return {
        "metadata": {name: base64.b64encode(value).decode() for name, value in payload.metadata.items()},
        "data": base64.b64encode(payload.data).decode(),
    }


def _payloads_of(document: Any) -> tuple[Sequence[Any], list[Payload]]:
    # Protobuf leaves out what is empty, and so a body without payloads is one of none.
    given = (document.get("payloads") or []) if isinstance(document, dict) else None
    if not isinstance(given, list):
        raise _invalid("/payloads", "This must be an array of payloads.")
    if len(given) > MOST_PAYLOADS:
        raise _invalid("/payloads", f"There may be {MOST_PAYLOADS:,} payloads in a request.")
    return given, [_payload(f"/payloads/{place}", payload) for place, payload in enumerate(given)]


def _payload(pointer: str, given: Any) -> Payload:
    if not isinstance(given, dict):
        raise _invalid(pointer, "A payload is an object with metadata and data.")
    metadata = given.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise _invalid(f"{pointer}/metadata", "This must be an object of texts in base64.")
    known = {name: _bytes(f"{pointer}/metadata/{_escaped(name)}", value) for name, value in metadata.items()}
    return Payload(metadata=known, data=_bytes(f"{pointer}/data", given.get("data") or ""))


def _bytes(pointer: str, text: Any) -> bytes:
    """Either alphabet, padded or not, as protobuf's JSON allows."""
    try:
        if not isinstance(text, str):
            raise ValueError
        standard = text.rstrip("=").translate(_STANDARD)
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise _invalid(pointer, "This must be text in base64.") from None


def _escaped(name: str) -> str:
    """As part of a JSON pointer (RFC 6901); no longer than one can read."""
    return name[:100].replace("~", "~0").replace("/", "~1")


def _invalid(pointer: str, detail: str) -> Problem:
    return Problem(
        problems.VALIDATION,
        "These are not payloads as Temporal's codec protocol has them.",
        errors=[FieldError(pointer=pointer, detail=detail)],
    )
