"""Why an attempt failed, in our own words: a provider's message may quote the recipient and is not shown."""

import re

from tidings.domain.masking import masked
from tidings.domain.notification import Attempt
from tidings.domain.vocabulary import Outcome

_CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_UNSHOWN = "other"

_BY_CODE = (
    ("worker_lost", "its worker ended meanwhile"),
    ("suppressed", "the recipient is on the suppression list"),
    ("attachment_missing", "a file that goes with it is gone"),
    ("expired", "it expired before the call"),
    ("timeout", "no answer in time"),
    ("smtp_no_answer", "no answer in time"),
    ("no_answer", "no answer"),
    ("connect_failed", "no connection to the provider"),
    ("smtp_connect", "no connection to the provider"),
    ("smtp_connection_lost", "the connection broke"),
    ("stream_refused", "the connection broke"),
    ("tls_", "no trusted connection"),
    ("smtp_tls", "no trusted connection"),
    ("smtp_certificate", "no trusted connection"),
    ("credentials_unavailable", "our credentials cannot be had now"),
    ("recipient_invalid", "the recipient has not the provider's form"),
    ("target_invalid", "the address may not be called"),
    ("message_invalid", "the message has not the provider's form"),
)
"""The beginnings of codes of our own, first match first."""


def shown_code(code: str) -> str:
    """An error's code; a provider's may be any text, and only what looks like a code is shown."""
    return code if _CODE.fullmatch(code) and masked(code) == code else _UNSHOWN


def in_words(attempt: Attempt) -> str:
    """What came of an attempt, for somebody who does not know the code."""
    if attempt.outcome is Outcome.ACCEPTED:
        return "the provider took it"
    if attempt.misconfigured:
        return "our own set-up of the provider was refused"
    code = attempt.error.code if attempt.error else ""
    known = next((words for beginning, words in _BY_CODE if code.startswith(beginning)), None)
    said = known or (_BY_OUTCOME[attempt.outcome] if attempt.outcome else "under way")
    if attempt.retry_after is not None:
        said += f"; wait {attempt.retry_after:.0f} s, it said"
    return said


_BY_OUTCOME = {
    Outcome.TRANSIENT: "a passing cause",
    Outcome.PERMANENT: "refused for good",
    Outcome.UNKNOWN: "nobody can know whether it went out",
}
