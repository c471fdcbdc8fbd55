"""The tables. Core, not ORM: rows are turned into domain models by `tidings.database.rows`.

Three rules keep writes cheap:

- No index names a column that changes, so every status change is a HOT update: it rewrites one row and
  no index. The fill factor leaves room on the page for the new version of the row.
- Ids are UUIDv7, so inserts go to the right edge of each index; but an id that was derived from an
  idempotency key is random. So `(tenant, created_at, id)` read backwards is "newest first" (keyset paging).
- Words such as a status are text with a CHECK, not an enum type: a new word is one
  `DROP CONSTRAINT`, `ADD CONSTRAINT … NOT VALID` and `VALIDATE CONSTRAINT` inside a transaction: one scan.
"""

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import (
    ARRAY,
    JSON,
    TIMESTAMP,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from tidings.domain.receipt import ReceiptKind, SuppressionReason
from tidings.domain.vocabulary import Channel, Guarantee, KeyMode, Outcome, Priority, Scope, Status

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def _time(name: str, *, nullable: bool = True) -> "Column[object]":
    """A point in time, to the microsecond."""
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


def _one_of(column: str, words: Iterable[StrEnum]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(word.value) for word in words)})", name=column)


notifications = Table(
    "notifications",
    metadata,
    # As accepted: never changes.
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("mode", Text, nullable=False, server_default=KeyMode.LIVE.value),
    Column("channel", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("subject", Text),
    Column("body", Text, nullable=False),
    Column("html", Text),
    # json, not jsonb: metadata is given back as it came, key order and number forms included.
    Column("metadata", JSON(none_as_null=True)),
    Column("tags", ARRAY(Text), nullable=False),
    Column("priority", Text, nullable=False),
    Column("guarantee", Text, nullable=False),
    # What they are; their contents are in `attachments`. Null where there are none.
    Column("attachments", JSON(none_as_null=True)),
    Column("data", JSON(none_as_null=True)),
    Column("collapse_key", Text),
    Column("pinned_provider", Text),
    _time("send_at"),
    _time("created_at", nullable=False),
    Column("idempotency_key", Text),
    Column("fingerprint", Text),
    Column("schedule_id", Uuid),
    # The delivery state: the version with the highest revision.
    Column("status", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("automatic_attempts", Integer, nullable=False),
    Column("provider", Text),
    Column("provider_reference", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    _time("next_attempt_at"),
    _time("expires_at"),
    _time("sent_at"),
    _time("delivered_at"),
    _time("updated_at", nullable=False),
    _one_of("mode", KeyMode),
    _one_of("channel", Channel),
    _one_of("priority", Priority),
    _one_of("guarantee", Guarantee),
    _one_of("status", Status),
    # Of columns that never change alone: a status change must not touch any index.
    Index(None, "tenant", "created_at", "id"),
    # By its hash: a device token may be longer than an index entry can hold.
    Index(
        "notifications_tenant_recipient_created_at_id_idx",
        *("tenant", text("hashtextextended(recipient, 0)"), "created_at", "id"),
    ),
    Index(None, "tenant", "idempotency_key", "mode", unique=True),
    Index(None, "schedule_id", "created_at", postgresql_where=text("schedule_id IS NOT NULL")),
    postgresql_with={"fillfactor": "70"},
)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    # Erasing a notification takes its attempts along. Old data goes by partition: attempts first.
    Column("notification_id", Uuid, ForeignKey(notifications.c.id, ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("provider", Text, nullable=False),
    # Null while the attempt runs.
    Column("outcome", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("provider_reference", Text),
    Column("misconfigured", Boolean, nullable=False),
    Column("retry_after", Double),
    Column("response", Text),
    _time("started_at", nullable=False),
    _time("finished_at"),
    # Who may call the provider; null if the attempt was only ever recorded, not begun.
    Column("claim", Text),
    PrimaryKeyConstraint("notification_id", "number"),
    _one_of("outcome", Outcome),
    CheckConstraint("number > 0", name="number"),
    postgresql_with={"fillfactor": "80"},
)

receipts = Table(
    "receipts",
    metadata,
    Column("notification_id", Uuid, ForeignKey(notifications.c.id, ondelete="CASCADE"), nullable=False),
    Column("provider", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("provider_reference", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    _time("occurred_at", nullable=False),
    _time("received_at", nullable=False),
    # A receipt that comes again has the same key.
    PrimaryKeyConstraint("notification_id", "provider", "event_id"),
    _one_of("kind", ReceiptKind),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    # What test notifications meet with rules nobody out for live ones.
    Column("mode", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    # A device token or a URL may be longer than an index entry can hold.
    Column("recipient_hash", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("notification_id", Uuid, nullable=False),
    _time("created_at", nullable=False),
    _one_of("reason", SuppressionReason),
    Index(None, "tenant", "mode", "channel", "recipient_hash", unique=True),
    Index(None, "tenant", "created_at", "id"),
)

provider_health = Table(
    "provider_health",
    metadata,
    # Only what is skipped has a row: it goes when the provider is back.
    Column("channel", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("skips", Integer, nullable=False),
    Column("last_code", Text, nullable=False),
    _time("skipped_until", nullable=False),
    # Whose message finds out whether it is back; null while nobody's does.
    Column("probe", Uuid),
    _time("changed_at", nullable=False),
    PrimaryKeyConstraint("channel", "provider"),
)

attachments = Table(
    "attachments",
    metadata,
    # By content: what goes to thousands is stored once for a tenant, and never shared between tenants.
    Column("tenant", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    _time("stored_at", nullable=False),
    PrimaryKeyConstraint("tenant", "sha256"),
    CheckConstraint("octet_length(sha256) = 32", name="sha256"),
)

notification_attachments = Table(
    "notification_attachments",
    metadata,
    # Stored before the notification's own row, which a worker writes: so no foreign key leads there.
    Column("notification_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    _time("stored_at", nullable=False),
    PrimaryKeyConstraint("notification_id", "sha256"),
    # Erasing a content takes along what refers to it; attempts that ask for it then fail for good.
    ForeignKeyConstraint(
        ["tenant", "sha256"], ["attachments.tenant", "attachments.sha256"], ondelete="CASCADE"
    ),
    Index(None, "tenant", "sha256"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("shown", Text, nullable=False),
    _time("created_at", nullable=False),
    _time("revoked_at"),
    Column("scopes", ARRAY(Text), nullable=False),
    _time("expires_at"),
    _time("last_used_at"),
    CheckConstraint("octet_length(key_hash) = 32", name="key_hash"),
    _one_of("mode", KeyMode),
    CheckConstraint(
        f"scopes <@ ARRAY[{', '.join(repr(scope.value) for scope in Scope)}] AND cardinality(scopes) > 0",
        name="scopes",
    ),
)

revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    Column("jti", Text, primary_key=True),
    # When the token itself expires: from then on nobody needs to know.
    _time("expires_at", nullable=False),
)

tenants = Table(
    "tenants",
    metadata,
    # Keys and notifications name their tenant without a foreign key: one without a row has the defaults.
    Column("name", Text, primary_key=True),
    Column("rate_limit", Text),
    Column("key_rate_limit", Text),
    Column("default_priority", Text),
    Column("default_guarantee", Text),
    _time("created_at", nullable=False),
    _time("disabled_at"),
    _one_of("default_priority", Priority),
    _one_of("default_guarantee", Guarantee),
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("url", Text, nullable=False),
    # Which secret is the latest, and which master keys it and the one before are derived from.
    Column("version", Integer, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("previous_key_id", Text),
    _time("previous_until"),
    _time("rotated_at"),
    _time("created_at", nullable=False),
    UniqueConstraint("tenant", "url"),
)
