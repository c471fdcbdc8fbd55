"""What a webhook's target answered to an attempt."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_1032"
down_revision = "2026_11_21_1030"


def upgrade() -> None:
    """Go forward."""
    op.add_column("delivery_attempts", sa.Column("response", sa.Text()))


def downgrade() -> None:
    """Go back."""
    op.drop_column("delivery_attempts", "response")
