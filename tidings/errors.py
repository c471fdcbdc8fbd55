"""Every error Tidings raises on purpose.

TidingsError
├── InvalidSubmission        the caller's input cannot become a notification; names the field
├── SetupError               this installation cannot run as it stands; one line says what to do
├── NotFound                 no such notification for this tenant
├── StorageUnavailable       Postgres cannot be reached; the same call may work later
│   └── QueryTooSlow         Postgres gave up on a statement that took longer than it may
├── OrchestratorUnavailable  Temporal cannot be reached; the same call may work later
│   └── UnreadablePayload    what Temporal has is sealed, and this process cannot open it
│       ├── UnknownCodecKey      its key is not among ours: once it is, the same call works
│       ├── UnknownSeal          sealed in a form of another release
│       ├── MisplacedPayload     sealed for another workflow than the one it is found in
│       └── AlteredPayload       not as it was sealed
│   ├── NamespaceNotReady    the namespace or a search attribute of ours is missing: `tidings migrate`
│   └── AccessRefused        Temporal takes neither our key nor our certificate
├── ForgedCallback           a callback that nobody has proven to come from its provider
├── MalformedCallback        a provider's callback that cannot be read
├── CallbackPostponed        a callback that cannot be dealt with now: the provider is to send it again
└── SendFailure              a provider did not accept a message
    ├── TransientFailure     a passing cause: try again, not before `retry_after`
    ├── PermanentFailure     refused for good: trying again cannot help
    │   └── ProviderMisconfigured   our own credentials or set-up are wrong, not the message
    └── UnknownOutcome       the message may or may not have gone out

Errors are translated once, at the edge where they enter; nobody branches on the text of a message.
"""

from datetime import timedelta


class TidingsError(Exception):
    """Base of every error raised on purpose."""


class InvalidSubmission(TidingsError):
    """Input that cannot become a notification. `pointer` is a JSON pointer (RFC 6901) to the field."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer}: {detail}")
        self.pointer = pointer
        self.detail = detail


class SetupError(TidingsError):
    """The installation cannot run as it stands. The message is one line and names the remedy."""


class NotFound(TidingsError):
    """No such thing for this tenant."""


class StorageUnavailable(TidingsError):
    """Postgres cannot be reached or cannot serve now."""


class QueryTooSlow(StorageUnavailable):
    """A statement took longer than `TIDINGS_DATABASE_COMMAND_TIMEOUT` allows."""


class OrchestratorUnavailable(TidingsError):
    """Temporal cannot be reached or cannot serve now."""


class UnreadablePayload(OrchestratorUnavailable):
    """What Temporal keeps is sealed and cannot be opened here. The message says nothing of what is in it."""

    workflow_id: str | None = None
    """In which workflow it was found, where that is known."""


class UnknownCodecKey(UnreadablePayload):
    """Sealed with a key that this process does not have. Once it has it, the same call works."""

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"Sealed with the key {key_id!r}, which this process does not have: add it to TIDINGS_CODEC_KEYS."
        )
        self.key_id = key_id


class UnknownSeal(UnreadablePayload):
    """Sealed in a form that this release does not know."""

    def __init__(self, form: str) -> None:
        super().__init__(
            f"Sealed in the form {form!r}, which this release does not know: is it an older one?"
        )


class MisplacedPayload(UnreadablePayload):
    """Sealed for another workflow: somebody has put it where it does not belong."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"Sealed for the workflow {workflow_id!r}, and refused in any other.")


class AlteredPayload(UnreadablePayload):
    """Not as it was sealed, or sealed with another key of the same id."""

    def __init__(self) -> None:
        super().__init__(
            "Not as it was sealed: it was altered, or TIDINGS_CODEC_KEYS has another key under the same id."
        )


class NamespaceNotReady(OrchestratorUnavailable):
    """Temporal answers, but not with what `tidings migrate` sets up. The message names it and the remedy."""


class AccessRefused(OrchestratorUnavailable):
    """Temporal answers, and does not let us in. The message names the settings at fault."""


class ForgedCallback(TidingsError):
    """Not proven to come from the provider: the signature is missing, wrong or too old."""


class MalformedCallback(TidingsError):
    """It comes from the provider, but cannot be read."""


class CallbackPostponed(TidingsError):
    """What is needed to deal with it cannot be had now. A `503` has the provider send it again."""


class SendFailure(TidingsError):
    """A provider did not accept a message.

    `code` is a short stable word or the provider's own code (`smtp_550_5.1.1`, `http_422`);
    `message` is safe to show to the caller: it holds no secret.
    """

    response: str | None = None
    """The beginning of what the target answered, where that is the caller's own to read: a webhook's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class TransientFailure(SendFailure):
    """A passing cause. `retry_after` is the least wait the provider asked for, if it did.

    `of_message`: the cause lies with this message, its recipient or our rate (greylisting, a full mailbox,
    a 429), and the provider works as it should.
    """

    def __init__(
        self,
        code: str,
        message: str,
        retry_after: timedelta | None = None,
        *,
        of_message: bool = False,
    ) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after
        self.of_message = of_message


class PermanentFailure(SendFailure):
    """Refused for good: another attempt with the same message cannot succeed.

    `suppresses` is a word of `tidings.domain.receipt.SuppressionReason` where the recipient itself is gone,
    so that later messages need not be tried.
    """

    def __init__(self, code: str, message: str, *, suppresses: str | None = None) -> None:
        super().__init__(code, message)
        self.suppresses = suppresses


class ProviderMisconfigured(PermanentFailure):
    """Our own credentials or set-up were refused: no fault of the recipient; tell the operator."""


class UnknownOutcome(SendFailure):
    """The request had gone out when the line broke: the message may or may not have been accepted."""
