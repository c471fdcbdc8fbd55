"""Notifications, their delivery attempts, and API keys: the first tables."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_0530"
down_revision = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True)),
        sa.CheckConstraint("octet_length(key_hash) = 32", name=op.f("api_keys_key_hash_check")),
        sa.PrimaryKeyConstraint("id", name="api_keys_pkey"),
        sa.UniqueConstraint("key_hash", name="api_keys_key_hash_key"),
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text()),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("html", sa.Text()),
        sa.Column("metadata", sa.JSON(none_as_null=True)),
        sa.Column("tags", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("guarantee", sa.Text(), nullable=False),
        sa.Column("pinned_provider", sa.Text()),
        sa.Column("send_at", sa.TIMESTAMP(timezone=True)),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True)),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Text()),
        sa.Column("provider_reference", sa.Text()),
        sa.Column("error_code", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("next_attempt_at", sa.TIMESTAMP(timezone=True)),
        sa.Column("sent_at", sa.TIMESTAMP(timezone=True)),
        sa.Column("delivered_at", sa.TIMESTAMP(timezone=True)),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "channel IN ('email', 'sms', 'push', 'webhook')", name=op.f("notifications_channel_check")
        ),
        sa.CheckConstraint(
            "guarantee IN ('at_least_once', 'at_most_once')", name=op.f("notifications_guarantee_check")
        ),
        sa.CheckConstraint(
            "priority IN ('critical', 'high', 'normal', 'low', 'bulk')",
            name=op.f("notifications_priority_check"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'scheduled', 'sending', 'retrying', 'sent', 'delivered', 'failed', "
            "'unknown', 'cancelled', 'expired')",
            name=op.f("notifications_status_check"),
        ),
        sa.PrimaryKeyConstraint("id", name="notifications_pkey"),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("notifications_tenant_id_idx", "notifications", ["tenant", "id"])
    op.create_table(
        "delivery_attempts",
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text()),
        sa.Column("error_code", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("provider_reference", sa.Text()),
        sa.Column("retry_after", sa.Double()),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("finished_at", sa.TIMESTAMP(timezone=True)),
        sa.Column("claim", sa.Text()),
        sa.CheckConstraint(
            "outcome IN ('accepted', 'transient', 'permanent', 'unknown')",
            name=op.f("delivery_attempts_outcome_check"),
        ),
        sa.CheckConstraint("number > 0", name=op.f("delivery_attempts_number_check")),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name="delivery_attempts_notification_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("notification_id", "number", name="delivery_attempts_pkey"),
        postgresql_with={"fillfactor": "80"},
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("delivery_attempts")
    op.drop_table("notifications")
    op.drop_table("api_keys")
