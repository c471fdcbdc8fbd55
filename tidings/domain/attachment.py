"""What an e-mail may carry beside its text: the rules of its names, and how it is referred to."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from pydantic import BaseModel, ConfigDict

MOST_ATTACHMENTS = 20
MOST_BYTES = 10_000_000
"""Of all attachments of one notification together, decoded."""
LONGEST_FILENAME = 255

_CONTENT_TYPE = re.compile(
    r"(?P<type>[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126})"
    r"(?P<parameters>(?:; ?(?:charset|method)=[a-z0-9_.+-]{1,40})*)",
    re.ASCII | re.IGNORECASE,
)
"""The names by RFC 6838, section 4.2. Of the parameters those that a reader cannot do without: the character
set of a text, the method of an invitation (RFC 6047)."""
_CONTAINERS = ("multipart/", "message/")
_CONTENT_ID = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*(?:@[a-z0-9-]+(?:\.[a-z0-9-]+)*)?", re.I | re.ASCII)
_LONGEST_CONTENT_ID = 128
_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bq]\?[^?\s]*\?=", re.IGNORECASE)
_JOINERS = str.maketrans("", "", "\u200c\u200d")
"""Invisible, but part of how emoji and some scripts are written."""


class Attachment(BaseModel):
    """An attachment without its content, which is stored apart under its SHA-256, in hex. `size` in bytes."""

    model_config = ConfigDict(frozen=True)

    filename: str
    content_type: str
    size: int
    sha256: str
    content_id: str | None = None
    """What the HTML names it by (`cid:…`), if it shows it."""


@dataclass(frozen=True, slots=True)
class AttachmentContent:
    """The bytes of an attachment, and the name they are stored under."""

    sha256: str
    content: bytes

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The bytes under their name."""
        return cls(sha256(content).hexdigest(), content)


def checked_filename(filename: str) -> str:
    """The name, taken as it is. Raises ValueError for one that some mail program could read as another."""
    if not 1 <= len(filename) <= LONGEST_FILENAME:
        raise ValueError(f"must have 1 to {LONGEST_FILENAME} characters")
    if not filename.translate(_JOINERS).isprintable():
        raise ValueError("must not hold control characters, nor those that change the direction of writing")
    if "/" in filename or "\\" in filename:
        raise ValueError("must be a file's name without a folder: no / and no \\")
    if filename in (".", "..") or filename != filename.strip(" ") or not filename.translate(_JOINERS):
        raise ValueError("must not be . or .., and neither begin nor end with a space")
    if len(filename) > 1 and filename[0] + filename[-1] in ('""', "<>"):
        # Some readers take these off: Python's own does.
        raise ValueError('must not stand in "…" or <…>')
    if _ENCODED_WORD.search(filename):
        raise ValueError("must not hold encoded words (=?…?=): write the characters themselves")
    return filename


def checked_content_type(content_type: str) -> str:
    """The media type, its names in lower case. Raises ValueError if it is none that a mail can carry."""
    match = _CONTENT_TYPE.fullmatch(content_type)
    if match is None:
        raise ValueError("must be a media type such as application/pdf or text/csv; charset=utf-8")
    media_type = match["type"].lower()
    if media_type.startswith(_CONTAINERS):
        # RFC 2046, section 5: these must not be encoded, and their parts would be read as ours.
        raise ValueError("must not be multipart/… or message/…: send such a file as application/octet-stream")
    return media_type + re.sub("; ?", "; ", match["parameters"])


def checked_content_id(content_id: str) -> str:
    """The id, taken as it is. Raises ValueError."""
    if len(content_id) > _LONGEST_CONTENT_ID or not _CONTENT_ID.fullmatch(content_id):
        raise ValueError(
            f"must be up to {_LONGEST_CONTENT_ID} letters, digits, _ + - and dots, such as logo or"
            " logo@example.com"
        )
    return content_id
