"""The order in which events are written, counted by PostgreSQL: no process's clock decides which came first.

Revision: 0009
Follows: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_WITHOUT_POSITION = sa.text("position IS NULL")


def upgrade() -> None:
    op.execute("CREATE SEQUENCE events_written")
    # Without a default at first, which would rewrite a table of millions. What is there already stays uncounted.
    op.add_column("events", sa.Column("written", sa.BigInteger(), nullable=True))
    op.alter_column("events", "written", server_default=sa.text("nextval('events_written')"))
    op.drop_index("ix_events_without_position", table_name="events", postgresql_where=_WITHOUT_POSITION)
    op.create_index(
        "ix_events_without_position",
        "events",
        [sa.text("written NULLS FIRST"), "time", "id"],
        unique=False,
        postgresql_where=_WITHOUT_POSITION,
    )
    # Endpoints that are there already hear of whatever is written from now on.
    op.add_column(
        "webhook_endpoints", sa.Column("hears_after", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.alter_column("webhook_endpoints", "hears_after", server_default=sa.text("nextval('events_written')"))


def downgrade() -> None:
    op.drop_column("webhook_endpoints", "hears_after")
    op.drop_index("ix_events_without_position", table_name="events", postgresql_where=_WITHOUT_POSITION)
    op.create_index(
        "ix_events_without_position", "events", ["time", "id"], unique=False, postgresql_where=_WITHOUT_POSITION
    )
    op.drop_column("events", "written")
    op.execute("DROP SEQUENCE events_written")
