"""Tenants, with limits and defaults of their own."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_1120"
down_revision = "2026_11_21_1110"


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "tenants",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rate_limit", sa.Text()),
        sa.Column("key_rate_limit", sa.Text()),
        sa.Column("default_priority", sa.Text()),
        sa.Column("default_guarantee", sa.Text()),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.TIMESTAMP(timezone=True)),
        sa.PrimaryKeyConstraint("name", name=op.f("tenants_pkey")),
        sa.CheckConstraint(
            "default_priority IN ('critical', 'high', 'normal', 'low', 'bulk')",
            name=op.f("tenants_default_priority_check"),
        ),
        sa.CheckConstraint(
            "default_guarantee IN ('at_least_once', 'at_most_once')",
            name=op.f("tenants_default_guarantee_check"),
        ),
    )


def downgrade() -> None:
    """Go back. Every tenant has the installation's defaults again, and none is disabled."""
    op.drop_table("tenants")
