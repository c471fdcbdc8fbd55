"""What an SMTP reply says about a message.

Sources: RFC 5321, 4.2 (replies); RFC 3463 and IANA's registry "SMTP Enhanced Status Codes", which adds
RFC 4954 (log-in), 5248, 7372 (SPF, DKIM) and 7505 (null MX); for the codes that only they use Google
(support.google.com/a/answer/3726730) and Microsoft (learn.microsoft.com/troubleshoot/exchange/email-delivery/
ndr/non-delivery-reports-in-exchange-online).
"""

import re
from enum import Enum, auto

from tidings.domain.receipt import SuppressionReason
from tidings.errors import PermanentFailure, ProviderMisconfigured, SendFailure, TransientFailure
from tidings.providers.wording import shown


class Stage(Enum):
    """Where in the dialogue a reply came: what the server had heard of by then."""

    SESSION = auto()
    """Greeting, EHLO, STARTTLS, AUTH: only of us."""
    SENDER = auto()
    """MAIL: of our sender's address too."""
    RECIPIENT = auto()
    """RCPT."""
    CONTENT = auto()
    """DATA and what follows."""


MISCONFIGURED = frozenset({523, 524, 525, 530, 534, 535, 538})
"""Encrypt first; log in first, or otherwise; wrong credentials; disabled account (RFC 4954, RFC 5248)."""

STORAGE_EXCEEDED = 552
"""After RCPT, and without an enhanced code that says more, it counts as 452 (RFC 5321, 4.5.3.1.10)."""

_GOING_AWAY = 421
"""The server closes the connection (RFC 5321, 4.2.2)."""

ERRORS: dict[str, type[SendFailure]] = {
    # The recipient's address.
    "5.1.0": PermanentFailure,
    "5.1.1": PermanentFailure,  # no such mailbox
    "5.1.2": PermanentFailure,  # no such domain
    "5.1.3": PermanentFailure,  # bad syntax
    "5.1.4": PermanentFailure,  # ambiguous
    "5.1.6": PermanentFailure,  # moved, without a forwarding address
    "5.1.10": PermanentFailure,  # null MX: the domain takes no mail
    # The sender's address.
    "5.1.7": ProviderMisconfigured,  # bad syntax
    "5.1.8": ProviderMisconfigured,  # no such domain
    # The mailbox, and the system behind it.
    "5.2.0": PermanentFailure,
    "5.2.1": PermanentFailure,  # disabled
    "5.2.2": TransientFailure,  # full; "should be used as a persistent transient failure"
    "5.2.3": PermanentFailure,  # message too long for it
    "5.2.4": PermanentFailure,  # mailing list
    "5.2.252": ProviderMisconfigured,  # Microsoft: not allowed to send as this sender
    "5.3.0": PermanentFailure,
    "5.3.1": TransientFailure,  # disk full; "useful only as a persistent transient error"
    "5.3.2": PermanentFailure,  # the host takes no mail (RFC 7504)
    "5.3.3": PermanentFailure,  # a feature is missing
    "5.3.4": PermanentFailure,  # message too big
    "5.3.5": ProviderMisconfigured,  # the relay itself is set up wrongly
    # The way there.
    "5.4.1": PermanentFailure,  # Microsoft: no such recipient
    "5.4.3": TransientFailure,  # directory server; "useful only as a persistent transient error"
    "5.4.4": PermanentFailure,  # no route
    "5.4.5": TransientFailure,  # congestion, as above; Google: the sender's daily limit
    "5.4.6": PermanentFailure,  # loop
    # The content.
    "5.6.0": PermanentFailure,
    "5.6.1": PermanentFailure,  # media not supported
    "5.6.7": PermanentFailure,  # address outside ASCII (RFC 6531)
    # Policy: 5.7.0 and 5.7.1 say too little, and are judged by the stage.
    "5.7.2": PermanentFailure,  # may not post to the mailing list
    "5.7.4": ProviderMisconfigured,  # security features
    "5.7.7": PermanentFailure,  # message was damaged
    "5.7.8": ProviderMisconfigured,  # credentials
    "5.7.9": ProviderMisconfigured,  # mechanism too weak
    "5.7.10": ProviderMisconfigured,  # encrypt first
    "5.7.11": ProviderMisconfigured,  # encrypt first, for this mechanism
    "5.7.12": ProviderMisconfigured,  # password transition
    "5.7.13": ProviderMisconfigured,  # our account is disabled
    "5.7.14": ProviderMisconfigured,  # trust relationship; Google: log in by browser first
    "5.7.20": ProviderMisconfigured,  # DKIM: none passes
    "5.7.21": ProviderMisconfigured,  # DKIM: none is acceptable
    "5.7.22": ProviderMisconfigured,  # DKIM: none of the author's domain
    "5.7.23": ProviderMisconfigured,  # SPF failed
    "5.7.24": ProviderMisconfigured,  # SPF record is faulty
    "5.7.25": ProviderMisconfigured,  # reverse DNS
    "5.7.26": ProviderMisconfigured,  # several of these; DMARC
    "5.7.27": ProviderMisconfigured,  # the sender's domain has a null MX
    "5.7.28": ProviderMisconfigured,  # mail flood from our host
    "5.7.57": ProviderMisconfigured,  # Microsoft: log in first
    "5.7.60": ProviderMisconfigured,  # Microsoft: may not send as this sender
    "5.7.64": ProviderMisconfigured,  # Microsoft: relay access denied
}
"""What the enhanced code of a 5xx reply means. Every 4xx reply is passing, whatever its enhanced code."""

SUPPRESSES = {"5.1.1": SuppressionReason.HARD_BOUNCE}
"""What rules the recipient out for later mails too: of 5xx replies that are permanent."""

_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?!\S)")
_QUEUE_IDS = (
    re.compile(r"\bqueued as <?([\w.@+-]+)", re.IGNORECASE),
    re.compile(r"\bid[=:] ?<?([\w.@+-]+)", re.IGNORECASE),
    re.compile(r"^(?:2\.\d\.\d )?Ok:? (?=\S*\d)([\w-]{16,})$", re.IGNORECASE),
)
"""Postfix; Exim and others; Amazon SES."""


def failure_for(code: int, text: str, stage: Stage = Stage.CONTENT) -> SendFailure:
    """The failure that a refusing reply stands for. Its code is `smtp_550`, or `smtp_550_5.1.1` where the
    server gives an enhanced code.
    """
    if not 400 <= code < 600:
        return TransientFailure("smtp_protocol", shown(f"unexpected reply {code}: {text}"))
    enhanced = _ENHANCED.match(text)
    name = f"smtp_{code}_{enhanced[0]}" if enhanced else f"smtp_{code}"
    # Where the two disagree about what is passing, the reply counts: RFC 5321 rules the dialogue.
    detail = f"5.{enhanced[2]}.{enhanced[3]}" if enhanced else None
    kind, message = _kind(code, detail, stage), shown(text) or "no text"
    if issubclass(kind, TransientFailure):
        return kind(name, message, of_message=not _is_of_the_server(code, detail, stage))
    if kind is PermanentFailure and detail in SUPPRESSES:
        return PermanentFailure(name, message, suppresses=SUPPRESSES[detail])
    return kind(name, message)


def _is_of_the_server(code: int, detail: str | None, stage: Stage) -> bool:
    """Whether a passing refusal says how the server itself fares.

    From RCPT on most do not (greylisting, a full mailbox): only 421, which ends the session, and after DATA
    the mail system's own states (RFC 3463, 3.4).
    """
    if code == _GOING_AWAY or stage in (Stage.SESSION, Stage.SENDER):
        return True
    return stage is Stage.CONTENT and detail is not None and detail.startswith("5.3.")


def queue_id(text: str) -> str | None:
    """The server's own id for a message it took, as far as its reply shows one."""
    line = shown(text)
    for pattern in _QUEUE_IDS:
        if found := pattern.search(line):
            return found[1]
    return None


def _kind(code: int, detail: str | None, stage: Stage) -> type[SendFailure]:
    if code < 500:
        return TransientFailure
    if stage is Stage.SESSION or code in MISCONFIGURED:
        return ProviderMisconfigured
    if detail in ERRORS:
        return ERRORS[detail]
    if stage is Stage.SENDER:
        return ProviderMisconfigured
    if code == STORAGE_EXCEEDED and detail is None and stage is Stage.RECIPIENT:
        return TransientFailure
    return PermanentFailure
