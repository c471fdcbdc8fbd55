"""Receipts, and the recipients that get nothing more."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_1000"
down_revision = "2026_11_21_0900"


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "receipts",
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("provider_reference", sa.Text()),
        sa.Column("error_code", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("occurred_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("notification_id", "provider", "event_id", name=op.f("receipts_pkey")),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name=op.f("receipts_notification_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("kind IN ('delivered', 'failed', 'noted')", name=op.f("receipts_kind_check")),
    )
    op.create_table(
        "suppressions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        # A device token or a URL may be longer than an index entry can hold.
        sa.Column("recipient_hash", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("suppressions_pkey")),
        sa.CheckConstraint(
            "reason IN ('hard_bounce', 'complaint', 'opt_out', 'gone')",
            name=op.f("suppressions_reason_check"),
        ),
    )
    op.create_index(
        "suppressions_tenant_mode_channel_recipient_hash_idx",
        "suppressions",
        ["tenant", "mode", "channel", "recipient_hash"],
        unique=True,
    )
    op.create_index("suppressions_tenant_created_at_id_idx", "suppressions", ["tenant", "created_at", "id"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("suppressions")
    op.drop_table("receipts")
