"""The channel `chat`."""

from alembic import op

revision = "2026_11_21_1040"
down_revision = "2026_11_21_1035"

_CHANNELS = ("email", "sms", "push", "webhook")


def upgrade() -> None:
    """Go forward."""
    _allow((*_CHANNELS, "chat"))
    # Alembic cannot read a constraint that is not valid; the scan finds nothing and is quick.
    op.execute("ALTER TABLE notifications VALIDATE CONSTRAINT notifications_channel_check")


def downgrade() -> None:
    """Go back. Notifications by chat stay as they are, and no new one is taken."""
    _allow(_CHANNELS)


def _allow(channels: tuple[str, ...]) -> None:
    op.execute("ALTER TABLE notifications DROP CONSTRAINT notifications_channel_check")
    words = ", ".join(f"'{channel}'" for channel in channels)
    op.execute(
        f"ALTER TABLE notifications ADD CONSTRAINT notifications_channel_check"
        f" CHECK (channel IN ({words})) NOT VALID"
    )
