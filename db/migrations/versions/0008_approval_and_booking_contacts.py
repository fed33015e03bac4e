"""Businesses that operators approve, mails counted by day, and the contact that a booking was made with.

Revision: 0008
Follows: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("businesses", sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True))
    # Those that are there already have written in their own words all along: an upgrade takes nothing from them.
    op.execute("UPDATE businesses SET approved_at = now()")
    op.create_table(
        "installation_mails",
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["business_id"], ["businesses.id"], name=op.f("fk_installation_mails_business_id")
        ),
        sa.PrimaryKeyConstraint("business_id", name=op.f("pk_installation_mails")),
    )
    op.add_column("bookings", sa.Column("contact", postgresql.JSONB(astext_type=sa.Text()), nullable=True))


def downgrade() -> None:
    op.drop_column("bookings", "contact")
    op.drop_table("installation_mails")
    op.drop_column("businesses", "approved_at")
