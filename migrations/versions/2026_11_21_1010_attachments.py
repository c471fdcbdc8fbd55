"""Attachments, their contents stored once for each tenant; data and collapse key of push messages."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_1010"
down_revision = "2026_11_21_1000"

_CONTENTS = "attachments"
_REFERENCES = "notification_attachments"
_TABLE = "notifications"


def upgrade() -> None:
    """Go forward."""
    op.add_column(_TABLE, sa.Column("attachments", sa.JSON()))
    op.add_column(_TABLE, sa.Column("data", sa.JSON()))
    op.add_column(_TABLE, sa.Column("collapse_key", sa.Text()))
    op.create_table(
        _CONTENTS,
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("attachments_sha256_check")),
        sa.PrimaryKeyConstraint("tenant", "sha256", name="attachments_pkey"),
    )
    op.create_table(
        _REFERENCES,
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("notification_id", "sha256", name="notification_attachments_pkey"),
        sa.ForeignKeyConstraint(
            ["tenant", "sha256"],
            ["attachments.tenant", "attachments.sha256"],
            name="notification_attachments_tenant_fkey",
            ondelete="CASCADE",
        ),
    )
    op.create_index("notification_attachments_tenant_sha256_idx", _REFERENCES, ["tenant", "sha256"])
    # Files are compressed mostly: trying to compress them again costs time and gains nothing.
    op.execute(f"ALTER TABLE {_CONTENTS} ALTER COLUMN content SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Go back."""
    op.drop_table(_REFERENCES)
    op.drop_table(_CONTENTS)
    for column in ("collapse_key", "data", "attachments"):
        op.drop_column(_TABLE, column)
