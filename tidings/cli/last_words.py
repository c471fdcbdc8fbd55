"""What a command says when it ends by an error: what is wrong, and what to do next."""

import contextlib
import os
import sys
import tempfile
import traceback

from tidings.errors import StorageUnavailable, TidingsError

_BY_KIND = {
    "unauthorized": "Set TIDINGS_API_KEY (or --api-key) to one that `tidings keys list` shows as valid;"
    " `tidings keys create` makes one.",
    "insufficient-scope": "`tidings keys create --scope SCOPE` makes a key for it.",
    "tenant-disabled": "`tidings tenants enable NAME` enables it.",
    "wrong-mode": "`tidings keys create` makes live keys, with --test test keys.",
    "not-found": "`tidings list`, or the `list` of its kind, shows what this key may see.",
    "too-many-requests": "Try again later; `tidings tenants set` changes a tenant's limits.",
    "misdirected-request": "Set TIDINGS_URL to a host that TIDINGS_TRUSTED_HOSTS names.",
}
"""By the last part of a problem's type: what its own text does not say."""

_NO_SUCH_TABLE_OR_COLUMN = ("42P01", "42703")
"""SQLSTATEs (PostgreSQL manual, appendix A)."""

_NOT_THE_API = "Check TIDINGS_URL (or --url): it must be the API's own address."


def of_error(error: TidingsError) -> str:
    """The error and the next step, as they are printed."""
    if isinstance(error, StorageUnavailable):
        return f"tidings: {error}. Start it by `tidings up`, or set TIDINGS_DATABASE_URL.\n"
    step, text = _next_step(error), str(error)
    # Several lines name several faults: the step is one of its own.
    between = "\n" if "\n" in text else " "
    return f"tidings: {text}{between + step if step else ''}\n"


def _next_step(error: TidingsError) -> str:
    # Here, as no other command has to wait for the client.
    from tidings.client import ApiProblem, UnexpectedAnswer

    if isinstance(error, ApiProblem):
        foreign = error.type == "about:blank" and error.status < 500
        return _NOT_THE_API if foreign else _BY_KIND.get(error.kind, "")
    return _NOT_THE_API if isinstance(error, UnexpectedAnswer) else ""


def _is_outdated(error: Exception) -> bool:
    if "sqlalchemy" not in sys.modules:
        return False
    from sqlalchemy.exc import DBAPIError

    from tidings.database.storage import sqlstate_of

    return isinstance(error, DBAPIError) and sqlstate_of(error) in _NO_SUCH_TABLE_OR_COLUMN


def of_fault(error: Exception) -> str:
    """What no command expects. A fault of ours: one line, and the details in a file that only this user can
    read."""
    if _is_outdated(error):
        return (
            "tidings: The database is not up to date with this version of Tidings: run `tidings migrate`.\n"
        )
    details = "".join(traceback.format_exception(error))
    with contextlib.suppress(OSError):
        descriptor, name = tempfile.mkstemp(prefix="tidings-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(details)
        return (
            f"tidings: An unexpected {type(error).__name__}, a fault of Tidings itself: please report it with"
            f" what {name} says.\n"
        )
    return details
