"""The MIME parts of a mail that carries files (RFC 2045, 2046, 2183, 2231, 2387), written here for the same
reason as its headers: the `email` package reads a file's name before it writes it.

    multipart/mixed
    ├── multipart/alternative
    │   ├── text/plain
    │   └── multipart/related      only if the HTML shows files of the mail's own
    │       ├── text/html
    │       └── image/png …
    └── application/pdf …
"""

import base64
import re
from collections.abc import Sequence
from urllib.parse import quote

from tidings.providers.mail_headers import exact_header
from tidings.providers.protocol import OutgoingAttachment

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,47}", re.ASCII)
_ATTRIBUTE_CHARACTERS = "!#$&+-.^_`|~"
"""What needs no percent-encoding beside letters and digits (RFC 2231, section 7)."""
_TOKEN = re.compile(r"%..|.")
_SECTION = 60
"""Characters of a long name on one line."""


def container(subtype: str, boundary: str, parts: Sequence[bytes]) -> bytes:
    """Several parts as one, in that order; no part may hold the boundary."""
    kind = f'multipart/{subtype}; boundary="{boundary}"'
    if subtype == "related":
        # RFC 2387, section 3.1: what the first part is.
        kind += '; type="text/html"'
    mark = f"--{boundary}".encode()
    framed = b"".join(b"\r\n%s\r\n%s" % (mark, part) for part in parts)
    return exact_header("Content-Type", kind) + framed + b"\r\n%s--\r\n" % mark


def file_part(attachment: OutgoingAttachment) -> bytes:
    """One file, in base64. Raises ValueError for what breaks a line."""
    headers = [
        exact_header("Content-Type", attachment.content_type),
        exact_header("Content-Transfer-Encoding", "base64"),
        _disposition("attachment" if attachment.content_id is None else "inline", attachment.filename),
    ]
    if attachment.content_id is not None:
        headers.append(exact_header("Content-ID", f"<{attachment.content_id}>"))
    lines = base64.encodebytes(attachment.content).replace(b"\n", b"\r\n")
    return b"".join([*headers, b"\r\n", lines])


def _disposition(kind: str, filename: str) -> bytes:
    """The header that names the file: plain where everybody reads it alike, else by RFC 2231."""
    if _PLAIN_NAME.fullmatch(filename):
        return exact_header("Content-Disposition", f'{kind}; filename="{filename}"')
    first, *more = _sections(f"utf-8''{quote(filename, safe=_ATTRIBUTE_CHARACTERS)}")
    names = [f"filename*{number}*" for number in range(1 + len(more))] if more else ["filename*"]
    lines = [f" {name}={section}" for name, section in zip(names, (first, *more), strict=True)]
    return ";\r\n".join([f"Content-Disposition: {kind}", *lines]).encode() + b"\r\n"


def _sections(encoded: str) -> list[str]:
    """Cut to the length of a line, and nowhere in the middle of a %XX."""
    sections = [""]
    for token in _TOKEN.findall(encoded):
        if len(sections[-1]) + len(token) > _SECTION:
            sections.append("")
        sections[-1] += token
    return sections
