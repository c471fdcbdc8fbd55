"""Whether an attempt failed for our own set-up of the provider."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_0900"
down_revision = "2026_11_21_0700"


def upgrade() -> None:
    """Go forward."""
    # With a constant default this rewrites no row.
    op.add_column(
        "delivery_attempts",
        sa.Column("misconfigured", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.alter_column("delivery_attempts", "misconfigured", server_default=None)


def downgrade() -> None:
    """Go back."""
    op.drop_column("delivery_attempts", "misconfigured")
