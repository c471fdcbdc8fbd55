"""Attachments of a submission: how they come in, and the rules that bind them together."""

import base64
import binascii
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr, WithJsonSchema

from tidings.domain.attachment import (
    LONGEST_FILENAME,
    MOST_ATTACHMENTS,
    MOST_BYTES,
    Attachment,
    AttachmentContent,
    checked_content_id,
    checked_content_type,
    checked_filename,
)


def _decoded(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("must be a string of base64")
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(
            "must be base64 (RFC 4648, section 4), with its padding and without line breaks"
        ) from None
    if not content:
        raise ValueError("must not be empty")
    last = content[-(len(content) % 3 or 3) :]
    if not value.endswith(base64.b64encode(last).decode()):
        # Bits that nobody reads: two texts would stand for one content.
        raise ValueError("must be base64 whose last character has no bits to spare")
    return content


_Base64 = Annotated[
    bytes,
    BeforeValidator(_decoded),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "examples": ["SGVsbG8="]}),
]


class AttachmentSubmission(BaseModel):
    """A file to go with an e-mail."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    filename: Annotated[StrictStr, AfterValidator(checked_filename)] = Field(
        description=f"1 to {LONGEST_FILENAME} visible characters, without a folder.", examples=["invoice.pdf"]
    )
    content_type: Annotated[StrictStr, AfterValidator(checked_content_type)] = Field(
        description="A media type; of parameters only charset and method.", examples=["application/pdf"]
    )
    content: _Base64 = Field(description=f"In base64; all attachments together up to {MOST_BYTES:,} bytes.")
    content_id: Annotated[StrictStr, AfterValidator(checked_content_id)] | None = Field(
        default=None, description="Shown within the HTML, which names it as cid:…", examples=["logo"]
    )


Attachments = Annotated[list[AttachmentSubmission], Field(max_length=MOST_ATTACHMENTS)]


def attachment_faults(
    given: list[AttachmentSubmission], html: str | None
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong between them: each with the path of the field to change."""
    if sum(len(each.content) for each in given) > MOST_BYTES:
        yield ("attachments",), f"must have at most {MOST_BYTES:,} bytes in all"
    seen: set[str] = set()
    for index, each in enumerate(given):
        if each.content_id is None:
            continue
        if html is None:
            yield ("attachments", index, "content_id"), "is for html, and there is none"
        elif each.content_id in seen:
            yield ("attachments", index, "content_id"), "must not name two attachments"
        seen.add(each.content_id)


def stored_apart(given: list[AttachmentSubmission]) -> tuple[list[Attachment], list[AttachmentContent]]:
    """What a notification says of its attachments, and their contents, in the same order."""
    contents = [AttachmentContent.of(each.content) for each in given]
    references = [
        Attachment(
            filename=each.filename,
            content_type=each.content_type,
            size=len(each.content),
            sha256=content.sha256,
            content_id=each.content_id,
        )
        for each, content in zip(given, contents, strict=True)
    ]
    return references, contents
