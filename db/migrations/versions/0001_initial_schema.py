"""The first schema: tenancy, catalogue, calendar, bookings and what is written about them.

Revision: 0001
Follows: None
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Trusted since PostgreSQL 13: the owner of the database may create it.
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table(
        "businesses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("locale", sa.String(length=35), server_default="en-US", nullable=False),
        sa.Column("status", sa.String(length=20), server_default="active", nullable=False),
        sa.Column(
            "policy",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'", name=op.f("ck_businesses_slug_is_a_dns_label")
        ),
        sa.CheckConstraint(
            "status IN ('setup', 'active', 'suspended')", name=op.f("ck_businesses_status_is_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_businesses")),
        sa.UniqueConstraint("slug", name=op.f("uq_businesses_slug")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_index("uq_users_email", "users", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "customers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("sms_opt_in", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_customers_business_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_customers_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
        sa.UniqueConstraint("business_id", "email", name=op.f("uq_customers_business_id_email")),
        sa.UniqueConstraint("business_id", "id", name=op.f("uq_customers_business_id_id")),
        sa.UniqueConstraint("user_id", "business_id", name=op.f("uq_customers_user_id_business_id")),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(length=100), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.String(length=128), nullable=True),
        sa.Column("actor", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("schema_version", sa.String(length=10), nullable=False),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_events_business_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index("ix_events_business_id_id", "events", ["business_id", "id"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_idempotency_keys_business_id")),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "providers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("skills", postgresql.ARRAY(sa.String(length=63)), server_default="{}", nullable=False),
        sa.Column("rating", sa.Numeric(precision=3, scale=2), server_default="0", nullable=False),
        sa.Column("available", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("auto_accept", sa.Boolean(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("rating BETWEEN 0 AND 5", name=op.f("ck_providers_rating_is_0_to_5")),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_providers_business_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_providers")),
        sa.UniqueConstraint("business_id", "id", name=op.f("uq_providers_business_id_id")),
    )
    op.create_table(
        "remarks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_remarks_business_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remarks")),
    )
    op.create_table(
        "services",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=2000), server_default="", nullable=False),
        sa.Column("duration_minutes", sa.Integer(), nullable=False),
        sa.Column("buffer_before_minutes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("buffer_after_minutes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("price_minor", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("required_skills", postgresql.ARRAY(sa.String(length=63)), server_default="{}", nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "buffer_before_minutes >= 0 AND buffer_after_minutes >= 0",
            name=op.f("ck_services_buffers_are_positive"),
        ),
        sa.CheckConstraint("duration_minutes > 0", name=op.f("ck_services_takes_time")),
        sa.CheckConstraint("price_minor >= 0", name=op.f("ck_services_price_is_positive")),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_services_business_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_services")),
        sa.UniqueConstraint("business_id", "code", name=op.f("uq_services_business_id_code")),
        sa.UniqueConstraint("business_id", "id", name=op.f("uq_services_business_id_id")),
    )
    op.create_table(
        "bookings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.String(length=12), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("buffer_before_minutes", sa.Integer(), nullable=False),
        sa.Column("buffer_after_minutes", sa.Integer(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("price_minor", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("policy", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("auto_accept", sa.Boolean(), nullable=False),
        sa.Column("phase_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_provider_ids", postgresql.ARRAY(sa.UUID()), server_default="{}", nullable=False),
        sa.Column("accepted_once", sa.Boolean(), nullable=False),
        sa.Column("absent_party", sa.String(length=20), nullable=True),
        sa.Column("needs_attention", sa.Boolean(), nullable=False),
        sa.Column("planned_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("address", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("attribution", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'assigned', 'accepted', 'in_progress', 'completed', 'rejected', 'no_show', 'cancelled')",
            name=op.f("ck_bookings_status_is_known"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('assigned', 'accepted', 'in_progress') OR provider_id IS NOT NULL",
            name=op.f("ck_bookings_assigned_means_somebody"),
        ),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_bookings_ends_after_start")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_bookings_version_counts_from_1")),
        sa.ForeignKeyConstraint(
            ["business_id", "customer_id"],
            ["customers.business_id", "customers.id"],
            name=op.f("fk_bookings_business_id_customer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["business_id", "provider_id"],
            ["providers.business_id", "providers.id"],
            name=op.f("fk_bookings_business_id_provider_id"),
        ),
        sa.ForeignKeyConstraint(
            ["business_id", "service_id"],
            ["services.business_id", "services.id"],
            name=op.f("fk_bookings_business_id_service_id"),
        ),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_bookings_business_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
    )
    op.create_index("ix_bookings_by_business", "bookings", ["business_id", "starts_at", "id"], unique=False)
    op.create_index("ix_bookings_by_customer", "bookings", ["customer_id", "starts_at", "id"], unique=False)
    op.create_index("ix_bookings_by_provider", "bookings", ["provider_id", "starts_at", "id"], unique=False)
    op.create_index(
        "ix_bookings_needing_attention",
        "bookings",
        ["business_id", "starts_at", "id"],
        unique=False,
        postgresql_where=sa.text("needs_attention"),
    )
    op.create_index(
        "ix_bookings_open",
        "bookings",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status NOT IN ('completed', 'cancelled')"),
    )
    op.create_index(
        "ix_bookings_unstarted", "bookings", ["id"], unique=False, postgresql_where=sa.text("version = 1")
    )
    op.create_index("uq_bookings_business_id_id", "bookings", ["business_id", "id"], unique=True)
    op.create_index("uq_bookings_business_id_reference", "bookings", ["business_id", "reference"], unique=True)
    op.create_table(
        "memberships",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(role = 'provider') = (provider_id IS NOT NULL)",
            name=op.f("ck_memberships_providers_name_their_provider"),
        ),
        sa.CheckConstraint("role IN ('provider', 'owner', 'admin')", name=op.f("ck_memberships_role_is_known")),
        sa.ForeignKeyConstraint(
            ["business_id", "provider_id"],
            ["providers.business_id", "providers.id"],
            name=op.f("fk_memberships_business_id_provider_id"),
        ),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_memberships_business_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_memberships_user_id")),
        sa.PrimaryKeyConstraint("user_id", "business_id", "role", name=op.f("pk_memberships")),
    )
    op.create_table(
        "weekly_hours",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=True),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("opens_minute", sa.Integer(), nullable=False),
        sa.Column("closes_minute", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "closes_minute > opens_minute AND closes_minute <= 1440",
            name=op.f("ck_weekly_hours_closes_after_opening"),
        ),
        sa.CheckConstraint(
            "opens_minute >= 0 AND opens_minute < 1440", name=op.f("ck_weekly_hours_opens_within_the_day")
        ),
        sa.CheckConstraint("weekday BETWEEN 1 AND 7", name=op.f("ck_weekly_hours_weekday_is_iso")),
        sa.ForeignKeyConstraint(
            ["business_id", "provider_id"],
            ["providers.business_id", "providers.id"],
            name=op.f("fk_weekly_hours_business_id_provider_id"),
        ),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_weekly_hours_business_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_weekly_hours")),
    )
    op.create_index(
        "ix_weekly_hours_business_id_weekday", "weekly_hours", ["business_id", "weekday"], unique=False
    )
    op.create_table(
        "booking_history",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("step_key", sa.Text(), nullable=False),
        sa.Column("old_status", sa.String(length=20), nullable=True),
        sa.Column("new_status", sa.String(length=20), nullable=False),
        sa.Column("actor_role", sa.String(length=20), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=True),
        sa.Column("command_id", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "new_status IN ('pending', 'assigned', 'accepted', 'in_progress', 'completed', 'rejected', 'no_show', 'cancelled')",
            name=op.f("ck_booking_history_new_status_is_known"),
        ),
        sa.CheckConstraint("sequence >= 1", name=op.f("ck_booking_history_sequence_counts_from_1")),
        sa.ForeignKeyConstraint(
            ["business_id", "booking_id"],
            ["bookings.business_id", "bookings.id"],
            name=op.f("fk_booking_history_business_id_booking_id"),
        ),
        sa.PrimaryKeyConstraint("booking_id", "sequence", name=op.f("pk_booking_history")),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("audience", sa.String(length=20), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state = 'sent'", name=op.f("ck_messages_state_is_known")),
        sa.ForeignKeyConstraint(
            ["business_id", "booking_id"],
            ["bookings.business_id", "bookings.id"],
            name=op.f("fk_messages_business_id_booking_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_index("ix_messages_business_id_booking_id", "messages", ["business_id", "booking_id"], unique=False)
    op.create_index("uq_messages_business_id_key", "messages", ["business_id", "key"], unique=True)
    op.create_table(
        "reservations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("during", postgresql.TSTZRANGE(), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("provider_id"), "="),
            (sa.column("during"), "&&"),
            using="gist",
            name="ex_reservations_no_overlap",
        ),
        sa.CheckConstraint("NOT isempty(during)", name=op.f("ck_reservations_takes_time")),
        sa.ForeignKeyConstraint(
            ["business_id", "booking_id"],
            ["bookings.business_id", "bookings.id"],
            name=op.f("fk_reservations_business_id_booking_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["business_id", "provider_id"],
            ["providers.business_id", "providers.id"],
            name=op.f("fk_reservations_business_id_provider_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservations")),
        sa.UniqueConstraint("booking_id", name=op.f("uq_reservations_booking_id")),
    )


def downgrade() -> None:
    op.drop_table("reservations")
    op.drop_index("uq_messages_business_id_key", table_name="messages")
    op.drop_index("ix_messages_business_id_booking_id", table_name="messages")
    op.drop_table("messages")
    op.drop_table("booking_history")
    op.drop_index("ix_weekly_hours_business_id_weekday", table_name="weekly_hours")
    op.drop_table("weekly_hours")
    op.drop_table("memberships")
    op.drop_index("uq_bookings_business_id_reference", table_name="bookings")
    op.drop_index("uq_bookings_business_id_id", table_name="bookings")
    op.drop_index("ix_bookings_unstarted", table_name="bookings", postgresql_where=sa.text("version = 1"))
    op.drop_index(
        "ix_bookings_open",
        table_name="bookings",
        postgresql_where=sa.text("status NOT IN ('completed', 'cancelled')"),
    )
    op.drop_index(
        "ix_bookings_needing_attention", table_name="bookings", postgresql_where=sa.text("needs_attention")
    )
    op.drop_index("ix_bookings_by_provider", table_name="bookings")
    op.drop_index("ix_bookings_by_customer", table_name="bookings")
    op.drop_index("ix_bookings_by_business", table_name="bookings")
    op.drop_table("bookings")
    op.drop_table("services")
    op.drop_table("remarks")
    op.drop_table("providers")
    op.drop_index("ix_idempotency_keys_created_at", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index("ix_events_business_id_id", table_name="events")
    op.drop_table("events")
    op.drop_table("customers")
    op.drop_index("uq_users_email", table_name="users")
    op.drop_table("users")
    op.drop_table("businesses")
