"""Rules that the tables and the migrations keep, without a server."""

import re
from pathlib import Path

import migrations as scripts
from tests.integration.database import a_notification, a_state, an_attempt
from tidings.database import migrations
from tidings.database.rows import (
    ATTEMPT_COLUMNS,
    NOTIFICATION_COLUMNS,
    STATE_COLUMNS,
    attempt_values,
    notification_values,
    state_values,
)
from tidings.database.tables import delivery_attempts, metadata, notifications, provider_health

VERSIONS = Path(scripts.__file__).parent / "versions"
CHANGING = {
    "notifications": set(STATE_COLUMNS),
    "delivery_attempts": set(ATTEMPT_COLUMNS) - {"number"},
    "attachments": {"stored_at"},
    "notification_attachments": set(),
    "api_keys": {"revoked_at", "expires_at", "last_used_at"},
    "revoked_tokens": {"expires_at"},
    "receipts": set(),
    "suppressions": set(),
    "provider_health": set(provider_health.c.keys()) - {"channel", "provider"},
    "tenants": {"rate_limit", "key_rate_limit", "default_priority", "default_guarantee", "disabled_at"},
    "webhook_endpoints": {"version", "key_id", "previous_key_id", "previous_until", "rotated_at"},
}


def test_no_index_names_a_column_that_changes() -> None:
    for table in metadata.tables.values():
        indexed = {column.name for index in table.indexes for column in index.columns}
        indexed |= {column.name for column in table.primary_key}
        assert indexed, table.name
        assert not indexed & CHANGING[table.name], table.name
        predicates = [str(index.dialect_kwargs.get("postgresql_where", "")) for index in table.indexes]
        words = {word for predicate in predicates for word in re.findall(r"\w+", predicate)}
        assert not words & CHANGING[table.name], table.name


def test_every_field_has_its_column() -> None:
    assert set(notification_values(a_notification())) == set(NOTIFICATION_COLUMNS)
    assert set(state_values(a_state(1))) == set(STATE_COLUMNS)
    assert set(attempt_values(an_attempt())) == set(ATTEMPT_COLUMNS)
    assert {*NOTIFICATION_COLUMNS, *STATE_COLUMNS} == set(notifications.c.keys())
    assert {*ATTEMPT_COLUMNS, "notification_id", "claim"} == set(delivery_attempts.c.keys())


def test_there_is_one_head_and_it_is_the_newest_file() -> None:
    newest = max(path.name for path in VERSIONS.glob("*.py"))
    assert newest.startswith(f"{migrations.head()}_")


def test_migrations_are_named_by_date_and_have_a_way_back() -> None:
    paths = list(VERSIONS.glob("*.py"))
    assert paths
    for path in paths:
        assert re.fullmatch(r"2\d{3}_[01]\d_[0-3]\d_[0-2]\d[0-5]\d_[a-z0-9_]+\.py", path.name)
        source = path.read_text()
        assert f'revision = "{path.name[:15]}"' in source
        assert re.search(r"def downgrade\(\) -> None:\n    \"\"\".*\"\"\"\n    (?!pass)\S", source), path.name
