"""Which providers are skipped because they keep failing."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_1020"
down_revision = "2026_11_21_1010"


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "provider_health",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("skips", sa.Integer(), nullable=False),
        sa.Column("last_code", sa.Text(), nullable=False),
        sa.Column("skipped_until", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("probe", sa.Uuid()),
        sa.Column("changed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("channel", "provider", name="provider_health_pkey"),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("provider_health")
