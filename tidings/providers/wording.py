"""What a provider said, made fit to store and to show."""

import re

MESSAGE_LIMIT = 500
"""The most characters of a provider's answer that are kept."""

_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def shown(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """One line of at most `limit` characters: runs of white space and of characters that print nothing
    (controls, lone surrogates, text-direction overrides) become one space.
    """
    line = _UNPRINTABLE.sub(" ", text).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"
