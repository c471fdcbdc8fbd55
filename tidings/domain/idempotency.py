"""Idempotency keys: what a key may look like, and what tells one submission from another under it."""

import hashlib
import json
from typing import Any

LONGEST_KEY = 255


def checked_key(key: str) -> str:
    """The key, taken as it is. Raises ValueError saying why it is none."""
    if not key:
        raise ValueError("must not be empty")
    if len(key) > LONGEST_KEY:
        raise ValueError(f"must have at most {LONGEST_KEY} characters")
    if not all("!" <= character <= "~" for character in key):
        raise ValueError("must be visible ASCII characters, without spaces")
    return key


def fingerprint_of(document: Any) -> str:
    """SHA-256, in hex, of a JSON document in one spelling: neither whitespace nor the order of keys matters.

    `document` is as the JSON parser gave it: no default is filled in, so `1` and `1.0`, or null and a field
    that is not there, are different.
    """
    spelling = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(spelling.encode()).hexdigest()
