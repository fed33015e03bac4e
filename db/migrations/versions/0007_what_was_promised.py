"""What was promised: fees that stay owed, the terms of a hold, refresh tokens that were superseded.

Revision: 0007
Follows: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("bookings", sa.Column("fee_owed_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("holds", sa.Column("promise", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("refresh_tokens", sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("refresh_tokens", "superseded_at")
    op.drop_column("holds", "promise")
    op.drop_column("bookings", "fee_owed_since")
