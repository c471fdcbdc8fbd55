"""Idempotency keys, schedules, the budget of automatic attempts; lists ordered by time of creation."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_0700"
down_revision = "2026_11_21_0530"

_TABLE = "notifications"


def upgrade() -> None:
    """Go forward."""
    op.add_column(_TABLE, sa.Column("idempotency_key", sa.Text()))
    op.add_column(_TABLE, sa.Column("fingerprint", sa.Text()))
    op.add_column(_TABLE, sa.Column("schedule_id", sa.Uuid()))
    # With a constant default this rewrites no row. Until now attempts by hand were not told apart.
    op.add_column(
        _TABLE, sa.Column("automatic_attempts", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.alter_column(_TABLE, "automatic_attempts", server_default=None)
    for name, columns, options in _INDEXES:
        op.create_index(name, _TABLE, columns, **options)
    op.drop_index("notifications_tenant_id_idx", _TABLE)


def downgrade() -> None:
    """Go back."""
    op.create_index("notifications_tenant_id_idx", _TABLE, ["tenant", "id"])
    for name, _, _ in _INDEXES:
        op.drop_index(name, _TABLE)
    for column in ("automatic_attempts", "schedule_id", "fingerprint", "idempotency_key"):
        op.drop_column(_TABLE, column)


_INDEXES: list[tuple[str, list[str], dict[str, Any]]] = [
    ("notifications_tenant_created_at_id_idx", ["tenant", "created_at", "id"], {}),
    ("notifications_tenant_idempotency_key_idx", ["tenant", "idempotency_key"], {"unique": True}),
    (
        "notifications_schedule_id_created_at_idx",
        ["schedule_id", "created_at"],
        {"postgresql_where": sa.text("schedule_id IS NOT NULL")},
    ),
]
