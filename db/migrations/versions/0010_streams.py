"""Holds whose expiry was told of, and tickets that open a stream.

Revision: 0010
Follows: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_UNTOLD = sa.text("booking_id IS NULL AND NOT expiry_told")


def upgrade() -> None:
    op.add_column("holds", sa.Column("expiry_told", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.create_index("ix_holds_expiry_untold", "holds", ["expires_at"], unique=False, postgresql_where=_UNTOLD)
    op.create_table(
        "stream_tickets",
        sa.Column("ticket_hash", sa.LargeBinary(), nullable=False),
        sa.Column("caller_kind", sa.String(length=20), nullable=False),
        sa.Column("caller_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("ticket_hash", name=op.f("pk_stream_tickets")),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_stream_tickets_expires_at", "stream_tickets", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_table("stream_tickets")
    op.drop_index("ix_holds_expiry_untold", table_name="holds", postgresql_where=_UNTOLD)
    op.drop_column("holds", "expiry_told")
