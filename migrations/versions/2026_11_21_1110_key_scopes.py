"""Scopes, expiry and last use of API keys; tokens that are revoked."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_1110"
down_revision = "2026_11_21_1040"

_SCOPES = "scopes <@ ARRAY['send', 'read', 'admin'] AND cardinality(scopes) > 0"


def upgrade() -> None:
    """Go forward. Keys that are there could do everything, and can."""
    everything = sa.text("'{send,read,admin}'")
    # With a constant default this rewrites no row.
    op.add_column(
        "api_keys", sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False, server_default=everything)
    )
    # An older version must not make keys that can do more than they should: without a default it cannot.
    op.alter_column("api_keys", "scopes", server_default=None)
    op.create_check_constraint(op.f("api_keys_scopes_check"), "api_keys", _SCOPES)
    op.add_column("api_keys", sa.Column("expires_at", sa.TIMESTAMP(timezone=True)))
    op.add_column("api_keys", sa.Column("last_used_at", sa.TIMESTAMP(timezone=True)))
    op.create_table(
        "revoked_tokens",
        sa.Column("jti", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("jti", name="revoked_tokens_pkey"),
    )


def downgrade() -> None:
    """Go back. Keys that have expired, and those that could not both send and read, are revoked."""
    op.execute(
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())"
        " WHERE expires_at <= now() OR NOT scopes @> ARRAY['send', 'read']"
    )
    op.drop_table("revoked_tokens")
    for column in ("last_used_at", "expires_at", "scopes"):
        op.drop_column("api_keys", column)
