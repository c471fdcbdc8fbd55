"""Webhook endpoints with secrets of their own."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_1035"
down_revision = "2026_11_21_1032"


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("previous_key_id", sa.Text()),
        sa.Column("previous_until", sa.TIMESTAMP(timezone=True)),
        sa.Column("rotated_at", sa.TIMESTAMP(timezone=True)),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="webhook_endpoints_pkey"),
        sa.UniqueConstraint("tenant", "url", name="webhook_endpoints_tenant_url_key"),
    )


def downgrade() -> None:
    """Go back. The secrets are lost: receivers need the shared one again."""
    op.drop_table("webhook_endpoints")
