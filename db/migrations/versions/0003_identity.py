"""Identity and access: sessions, accounts on their way, API keys, counters and the audit log.

Revision: 0003
Follows: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(kind = 'register') = (name IS NOT NULL AND password_hash IS NOT NULL)",
            name=op.f("ck_account_requests_registering_needs_more"),
        ),
        sa.CheckConstraint("kind IN ('register', 'reset')", name=op.f("ck_account_requests_kind_is_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_requests")),
    )
    op.create_index("ix_account_requests_expires_at", "account_requests", ["expires_at"], unique=False)
    op.create_index(
        "ix_account_requests_unsent",
        "account_requests",
        ["id"],
        unique=False,
        postgresql_where=sa.text("sent_at IS NULL"),
    )
    op.create_table(
        "login_attempts",
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("free_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_login_attempts")),
    )
    op.create_index("ix_login_attempts_last_at", "login_attempts", ["last_at"], unique=False)
    op.create_table(
        "rate_counters",
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("before", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_rate_counters")),
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "account_tokens",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["account_requests.id"], name=op.f("fk_account_tokens_request_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_account_tokens")),
    )
    op.create_index("ix_account_tokens_request_id", "account_tokens", ["request_id"], unique=False)
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("prefix", sa.String(length=20), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.String(length=40)), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_api_keys_business_id")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_api_keys_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    op.create_index("ix_api_keys_business_id_id", "api_keys", ["business_id", "id"], unique=False)
    op.create_index(
        "uq_api_keys_business_id_name",
        "api_keys",
        ["business_id", "name"],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=True),
        sa.Column("actor_kind", sa.String(length=20), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("object_id", sa.String(length=100), nullable=True),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "actor_kind IN ('anonymous', 'user', 'api_key', 'guest')",
            name=op.f("ck_audit_log_actor_kind_is_known"),
        ),
        sa.CheckConstraint("outcome IN ('done', 'denied')", name=op.f("ck_audit_log_outcome_is_known")),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_audit_log_business_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index(
        "ix_audit_log_business_id_actor_id_at", "audit_log", ["business_id", "actor_id", "at", "id"], unique=False
    )
    op.create_index("ix_audit_log_business_id_at", "audit_log", ["business_id", "at", "id"], unique=False)
    op.create_index(
        "ix_audit_log_business_id_object_id_at",
        "audit_log",
        ["business_id", "object_id", "at", "id"],
        unique=False,
    )
    op.create_table(
        "business_origins",
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_business_origins_business_id")),
        sa.PrimaryKeyConstraint("business_id", "origin", name=op.f("pk_business_origins")),
    )
    op.create_index("ix_business_origins_origin", "business_origins", ["origin"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(length=20), nullable=True),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (end_reason IS NULL)", name=op.f("ck_sessions_an_end_has_a_reason")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"], unique=False)
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"], unique=False)
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_refresh_tokens_session_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_refresh_tokens")),
    )
    op.create_index("ix_refresh_tokens_expires_at", "refresh_tokens", ["expires_at"], unique=False)
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"], unique=False)
    # Businesses that are there have never agreed to bookings by people who have not logged in.
    op.add_column("businesses", sa.Column("guest_bookings", sa.Boolean(), server_default="false", nullable=False))
    op.alter_column("businesses", "guest_bookings", server_default="true")
    op.add_column("idempotency_keys", sa.Column("status", sa.Integer(), server_default="201", nullable=False))
    op.add_column(
        "idempotency_keys",
        sa.Column(
            "headers",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    )


def downgrade() -> None:
    op.drop_column("businesses", "guest_bookings")
    op.drop_column("idempotency_keys", "headers")
    op.drop_column("idempotency_keys", "status")
    op.drop_index("ix_refresh_tokens_session_id", table_name="refresh_tokens")
    op.drop_index("ix_refresh_tokens_expires_at", table_name="refresh_tokens")
    op.drop_table("refresh_tokens")
    op.drop_index("ix_sessions_user_id", table_name="sessions")
    op.drop_index("ix_sessions_expires_at", table_name="sessions")
    op.drop_table("sessions")
    op.drop_index("ix_business_origins_origin", table_name="business_origins")
    op.drop_table("business_origins")
    op.drop_index("ix_audit_log_business_id_object_id_at", table_name="audit_log")
    op.drop_index("ix_audit_log_business_id_at", table_name="audit_log")
    op.drop_index("ix_audit_log_business_id_actor_id_at", table_name="audit_log")
    op.drop_table("audit_log")
    op.drop_index(
        "uq_api_keys_business_id_name", table_name="api_keys", postgresql_where=sa.text("revoked_at IS NULL")
    )
    op.drop_index("ix_api_keys_business_id_id", table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_index("ix_account_tokens_request_id", table_name="account_tokens")
    op.drop_table("account_tokens")
    op.drop_table("rate_counters")
    op.drop_index("ix_login_attempts_last_at", table_name="login_attempts")
    op.drop_table("login_attempts")
    op.drop_index(
        "ix_account_requests_unsent", table_name="account_requests", postgresql_where=sa.text("sent_at IS NULL")
    )
    op.drop_index("ix_account_requests_expires_at", table_name="account_requests")
    op.drop_table("account_requests")
