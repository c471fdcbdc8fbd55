"""What the tests of the database share: an engine of their own, and notifications to put in."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncpg.connection import LoggedQuery
from pydantic import PostgresDsn
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine

from tidings.database.engine import create_engine
from tidings.domain.attachment import Attachment
from tidings.domain.identifiers import new_id
from tidings.domain.notification import Attempt, DeliveryError, DeliveryState, Notification
from tidings.domain.vocabulary import Channel, Guarantee, Outcome, Priority, Status
from tidings.settings import DatabaseSettings

NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


@asynccontextmanager
async def open_engine(url: str, **settings: Any) -> AsyncIterator[AsyncEngine]:
    """An engine as a process of ours makes it, closed at the end."""
    engine = create_engine(DatabaseSettings(database_url=PostgresDsn(url), **settings))
    try:
        yield engine
    finally:
        await engine.dispose()


@contextmanager
def statements_of(engine: AsyncEngine) -> Iterator[list[str]]:
    """What is sent to the server in the block, BEGIN and COMMIT included, by its first word."""
    sent: list[str] = []

    def on_statement(connection: Connection, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement.split()[0])
        # What SQLAlchemy does not count as a statement, asyncpg logs.
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.add_query_logger(on_query)

    def on_query(query: LoggedQuery) -> None:
        sent.append(query.query.split()[0].rstrip(";"))

    event.listen(engine.sync_engine, "before_cursor_execute", on_statement)
    try:
        yield sent
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", on_statement)


def a_notification(**changes: Any) -> Notification:
    """A small e-mail of tenant `acme`."""
    values: dict[str, Any] = {
        "id": new_id(),
        "tenant": "acme",
        "channel": Channel.EMAIL,
        "recipient": "ada@example.com",
        "subject": "Hello",
        "body": "Hello, Ada.",
        "created_at": NOW,
    }
    return Notification(**values | changes)


def a_full_notification() -> Notification:
    """One with every field set, and with values that are easily spoilt on the way."""
    return a_notification(
        recipient="zoë@exämple.com",
        subject="Grüße 🎉",
        body="line\r\n\ttab 'quote' \\ %s :name $1",
        html="<p>Hi</p>",
        metadata={"z": 1, "a": [1.0, 1e5, None, True, 2**70], "text": "\x00 \ud800 é", "": {}},
        attachments=[
            Attachment(filename="№7 'a\"b.pdf", content_type="application/pdf", size=7, sha256="0f" * 32),
            Attachment(filename="a", content_type="image/png", size=1, sha256="1f" * 32, content_id="logo"),
        ],
        data={"z": "", "a": "\x00 \ud800 é"},
        collapse_key="order 7 é",
        tags=["b", "a", "comma,{brace}", "NULL", ""],
        priority=Priority.CRITICAL,
        guarantee=Guarantee.AT_MOST_ONCE,
        provider="smtp",
        send_at=NOW + timedelta(hours=1),
        expires_at=NOW + timedelta(days=1),
        idempotency_key="order-1042",
        fingerprint="0f" * 32,
        schedule_id=new_id(),
    )


def an_attempt(number: int = 1, **changes: Any) -> Attempt:
    """An attempt that runs."""
    return Attempt(**{"number": number, "provider": "smtp", "started_at": NOW} | changes)


def finished(attempt: Attempt, outcome: Outcome, **changes: Any) -> Attempt:
    """The attempt with an outcome, and an error unless it was accepted."""
    error = None if outcome is Outcome.ACCEPTED else DeliveryError(code="smtp_451", message="Try later")
    update = {"outcome": outcome, "error": error, "finished_at": attempt.started_at + timedelta(seconds=1)}
    return attempt.model_copy(update=update | changes)


def a_state(revision: int, status: Status = Status.SENDING, **changes: Any) -> DeliveryState:
    """A state at a revision."""
    return DeliveryState(
        **{"status": status, "revision": revision, "attempt_count": 1, "provider": "smtp", "updated_at": NOW}
        | {"automatic_attempts": 1}
        | changes
    )
