"""The mode of keys and notifications: live or test."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_1030"
down_revision = "2026_11_21_1020"

_MODES = "mode IN ('live', 'test')"
_OLD = ("notifications_tenant_idempotency_key_idx", ["tenant", "idempotency_key"])
_NEW = ("notifications_tenant_idempotency_key_mode_idx", ["tenant", "idempotency_key", "mode"])


def upgrade() -> None:
    """Go forward."""
    # With constant defaults this rewrites no row.
    op.add_column("notifications", sa.Column("mode", sa.Text(), nullable=False, server_default="live"))
    op.create_check_constraint(op.f("notifications_mode_check"), "notifications", _MODES)
    op.create_index(_NEW[0], "notifications", _NEW[1], unique=True)
    op.drop_index(_OLD[0], "notifications")
    op.add_column("api_keys", sa.Column("mode", sa.Text(), nullable=False, server_default="live"))
    op.execute("UPDATE api_keys SET mode = 'test' WHERE starts_with(shown, 'td_test_')")
    # An older version must not store a test key as a live one: without a default it cannot.
    op.alter_column("api_keys", "mode", server_default=None)
    op.create_check_constraint(op.f("api_keys_mode_check"), "api_keys", _MODES)


def downgrade() -> None:
    """Go back. Test notifications give up their idempotency keys: live ones may have the same."""
    op.drop_column("api_keys", "mode")
    op.execute("UPDATE notifications SET idempotency_key = NULL WHERE mode = 'test'")
    op.create_index(_OLD[0], "notifications", _OLD[1], unique=True)
    op.drop_index(_NEW[0], "notifications")
    op.drop_column("notifications", "mode")
