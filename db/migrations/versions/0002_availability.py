"""Availability: dates and areas, time off, holds, group sessions, consents and outside calendars.

Revision: 0002
Follows: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


_SERVICE_CHECKS = {
    "capacity_is_1_to_1000": "capacity BETWEEN 1 AND 1000",
    "slot_step_is_within_a_day": "slot_step_minutes BETWEEN 1 AND 1440",
    "min_notice_is_positive": "min_notice_minutes >= 0",
    "horizon_is_positive": "horizon_days > 0",
    "daily_limit_is_positive": "daily_limit > 0",
}


def _one_at_a_time(elements: str) -> None:
    """Replace the exclusion constraint on reservations."""
    op.execute("ALTER TABLE reservations DROP CONSTRAINT ex_reservations_no_overlap")
    op.execute(
        f"ALTER TABLE reservations ADD CONSTRAINT ex_reservations_no_overlap EXCLUDE USING gist ({elements})"
    )


def upgrade() -> None:
    op.create_table(
        "external_sources",
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("token_encrypted", sa.Text(), nullable=True),
        sa.Column("on_stale", sa.String(length=10), nullable=False),
        sa.Column("interval_seconds", sa.Integer(), nullable=False),
        sa.Column("max_age_seconds", sa.Integer(), nullable=False),
        sa.Column("horizon_days", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("on_stale IN ('open', 'closed')", name=op.f("ck_external_sources_on_stale_is_known")),
        sa.CheckConstraint("interval_seconds >= 10", name=op.f("ck_external_sources_interval_is_polite")),
        sa.CheckConstraint(
            "max_age_seconds >= interval_seconds", name=op.f("ck_external_sources_max_age_outlasts_the_interval")
        ),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_external_sources_business_id")),
        sa.PrimaryKeyConstraint("business_id", name=op.f("pk_external_sources")),
    )
    op.create_index("ix_external_sources_next_check_at", "external_sources", ["next_check_at"], unique=False)
    op.create_table(
        "consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=40), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["business_id", "customer_id"],
            ["customers.business_id", "customers.id"],
            name=op.f("fk_consents_business_id_customer_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index(
        "ix_consents_customer_id_purpose_given_at",
        "consents",
        ["customer_id", "purpose", "given_at"],
        unique=False,
    )
    op.create_table(
        "date_exceptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=True),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("yearly", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("opens_minute", sa.Integer(), nullable=True),
        sa.Column("closes_minute", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=200), server_default="", nullable=False),
        sa.CheckConstraint(
            "(kind = 'closed') = (opens_minute IS NULL)", name=op.f("ck_date_exceptions_closed_has_no_hours")
        ),
        sa.CheckConstraint("kind IN ('closed', 'hours', 'extra')", name=op.f("ck_date_exceptions_kind_is_known")),
        sa.CheckConstraint(
            "(opens_minute IS NULL) = (closes_minute IS NULL)", name=op.f("ck_date_exceptions_hours_have_two_ends")
        ),
        sa.CheckConstraint(
            "closes_minute > opens_minute AND closes_minute <= opens_minute + 1440",
            name=op.f("ck_date_exceptions_closes_within_a_day"),
        ),
        sa.CheckConstraint(
            "opens_minute >= 0 AND opens_minute < 1440", name=op.f("ck_date_exceptions_opens_within_the_day")
        ),
        sa.ForeignKeyConstraint(
            ["business_id", "provider_id"],
            ["providers.business_id", "providers.id"],
            name=op.f("fk_date_exceptions_business_id_provider_id"),
        ),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_date_exceptions_business_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_date_exceptions")),
    )
    op.create_index(
        "ix_date_exceptions_business_id_date", "date_exceptions", ["business_id", "date"], unique=False
    )
    op.create_table(
        "external_times",
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('busy', 'open')", name=op.f("ck_external_times_kind_is_known")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_external_times_ends_after_start")),
        sa.ForeignKeyConstraint(
            ["business_id", "provider_id"],
            ["providers.business_id", "providers.id"],
            name=op.f("fk_external_times_business_id_provider_id"),
        ),
        sa.ForeignKeyConstraint(
            ["business_id"], ["external_sources.business_id"], name=op.f("fk_external_times_business_id")
        ),
        sa.PrimaryKeyConstraint("business_id", "provider_id", "kind", "starts_at", name=op.f("pk_external_times")),
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held_by", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("choice", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_holds_ends_after_start")),
        sa.ForeignKeyConstraint(
            ["business_id", "provider_id"],
            ["providers.business_id", "providers.id"],
            name=op.f("fk_holds_business_id_provider_id"),
        ),
        sa.ForeignKeyConstraint(
            ["business_id", "service_id"],
            ["services.business_id", "services.id"],
            name=op.f("fk_holds_business_id_service_id"),
        ),
        sa.ForeignKeyConstraint(["held_by"], ["users.id"], name=op.f("fk_holds_held_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
    )
    op.create_index("ix_holds_expires_at", "holds", ["expires_at"], unique=False)
    op.create_index("ix_holds_held_by", "holds", ["held_by", "business_id"], unique=False)
    op.create_index("ix_holds_business_id_expires_at", "holds", ["business_id", "expires_at"], unique=False)
    op.create_table(
        "service_areas",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("first", sa.String(length=20), nullable=False),
        sa.Column("last", sa.String(length=20), nullable=True),
        sa.CheckConstraint(
            "(kind = 'range') = (last IS NOT NULL)", name=op.f("ck_service_areas_a_range_has_two_ends")
        ),
        sa.CheckConstraint("kind IN ('exact', 'prefix', 'range')", name=op.f("ck_service_areas_kind_is_known")),
        sa.CheckConstraint(
            "length(last) = length(first) AND last >= first", name=op.f("ck_service_areas_a_range_ascends")
        ),
        sa.ForeignKeyConstraint(
            ["business_id", "provider_id"],
            ["providers.business_id", "providers.id"],
            name=op.f("fk_service_areas_business_id_provider_id"),
        ),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_service_areas_business_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_areas")),
    )
    op.create_index("ix_service_areas_business_id", "service_areas", ["business_id"], unique=False)
    op.create_table(
        "time_off",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.String(length=200), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('time_off', 'block')", name=op.f("ck_time_off_kind_is_known")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_time_off_ends_after_start")),
        sa.ForeignKeyConstraint(
            ["business_id", "provider_id"],
            ["providers.business_id", "providers.id"],
            name=op.f("fk_time_off_business_id_provider_id"),
        ),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_time_off_business_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_time_off")),
    )
    op.create_index("ix_time_off_business_id_ends_at", "time_off", ["business_id", "ends_at"], unique=False)
    op.add_column("bookings", sa.Column("preferred_provider_id", sa.Uuid(), nullable=True))
    op.add_column("bookings", sa.Column("choice", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.create_index("ix_customers_business_id_phone", "customers", ["business_id", "phone"], unique=False)
    op.add_column("providers", sa.Column("code", sa.String(length=63), nullable=True))
    # The tail of the id: the head of a UUIDv7 is the time, which neighbours share.
    op.execute("UPDATE providers SET code = 'p-' || right(id::text, 12)")
    op.alter_column("providers", "code", nullable=False)
    op.add_column("providers", sa.Column("timezone", sa.String(length=64), nullable=True))
    op.add_column("providers", sa.Column("last_assigned_at", sa.DateTime(timezone=True), nullable=True))
    op.create_unique_constraint(op.f("uq_providers_business_id_code"), "providers", ["business_id", "code"])
    op.add_column("reservations", sa.Column("session_id", sa.Uuid(), nullable=True))
    op.execute("UPDATE reservations SET session_id = id")
    op.alter_column("reservations", "session_id", nullable=False)
    op.add_column("reservations", sa.Column("service_id", sa.Uuid(), nullable=True))
    op.add_column("reservations", sa.Column("seat", sa.Integer(), server_default="1", nullable=False))
    op.add_column("reservations", sa.Column("capacity", sa.Integer(), server_default="1", nullable=False))
    op.add_column("reservations", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("reservations", "booking_id", existing_type=sa.UUID(), nullable=True)
    op.create_index(
        "ix_reservations_expires_at",
        "reservations",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_unique_constraint(op.f("uq_reservations_session_id_seat"), "reservations", ["session_id", "seat"])
    op.add_column("services", sa.Column("capacity", sa.Integer(), server_default="1", nullable=False))
    op.add_column("services", sa.Column("slot_step_minutes", sa.Integer(), server_default="15", nullable=False))
    op.add_column("services", sa.Column("min_notice_minutes", sa.Integer(), server_default="0", nullable=False))
    op.add_column("services", sa.Column("horizon_days", sa.Integer(), nullable=True))
    op.add_column("services", sa.Column("daily_limit", sa.Integer(), nullable=True))
    for name, condition in _SERVICE_CHECKS.items():
        op.create_check_constraint(op.f(f"ck_services_{name}"), "services", condition)
    op.drop_constraint(op.f("ck_weekly_hours_closes_after_opening"), "weekly_hours", type_="check")
    op.create_check_constraint(
        op.f("ck_weekly_hours_closes_within_a_day"),
        "weekly_hours",
        "closes_minute > opens_minute AND closes_minute <= opens_minute + 1440",
    )
    op.create_check_constraint(
        op.f("ck_reservations_seat_is_within_capacity"), "reservations", "seat BETWEEN 1 AND capacity"
    )
    op.create_check_constraint(
        op.f("ck_reservations_held_or_booked"), "reservations", "(booking_id IS NULL) = (expires_at IS NOT NULL)"
    )
    _one_at_a_time("provider_id WITH =, during WITH &&, session_id WITH <>")


def downgrade() -> None:
    # What the schema before cannot say is given up: holds, seats beyond the first, hours over midnight.
    op.execute("DELETE FROM reservations WHERE booking_id IS NULL OR seat > 1")
    op.execute("UPDATE weekly_hours SET closes_minute = 1440 WHERE closes_minute > 1440")
    _one_at_a_time("provider_id WITH =, during WITH &&")
    op.drop_constraint(op.f("ck_reservations_held_or_booked"), "reservations", type_="check")
    op.drop_constraint(op.f("ck_reservations_seat_is_within_capacity"), "reservations", type_="check")
    op.drop_constraint(op.f("ck_weekly_hours_closes_within_a_day"), "weekly_hours", type_="check")
    op.create_check_constraint(
        op.f("ck_weekly_hours_closes_after_opening"),
        "weekly_hours",
        "closes_minute > opens_minute AND closes_minute <= 1440",
    )
    for name in _SERVICE_CHECKS:
        op.drop_constraint(op.f(f"ck_services_{name}"), "services", type_="check")
    op.drop_column("services", "daily_limit")
    op.drop_column("services", "horizon_days")
    op.drop_column("services", "min_notice_minutes")
    op.drop_column("services", "slot_step_minutes")
    op.drop_column("services", "capacity")
    op.drop_constraint(op.f("uq_reservations_session_id_seat"), "reservations", type_="unique")
    op.drop_index(
        "ix_reservations_expires_at", table_name="reservations", postgresql_where=sa.text("expires_at IS NOT NULL")
    )
    op.alter_column("reservations", "booking_id", existing_type=sa.UUID(), nullable=False)
    op.drop_column("reservations", "expires_at")
    op.drop_column("reservations", "capacity")
    op.drop_column("reservations", "seat")
    op.drop_column("reservations", "service_id")
    op.drop_column("reservations", "session_id")
    op.drop_constraint(op.f("uq_providers_business_id_code"), "providers", type_="unique")
    op.drop_column("providers", "last_assigned_at")
    op.drop_column("providers", "timezone")
    op.drop_column("providers", "code")
    op.drop_index("ix_customers_business_id_phone", table_name="customers")
    op.drop_column("bookings", "choice")
    op.drop_column("bookings", "preferred_provider_id")
    op.drop_index("ix_time_off_business_id_ends_at", table_name="time_off")
    op.drop_table("time_off")
    op.drop_index("ix_service_areas_business_id", table_name="service_areas")
    op.drop_table("service_areas")
    op.drop_index("ix_holds_held_by", table_name="holds")
    op.drop_index("ix_holds_business_id_expires_at", table_name="holds")
    op.drop_index("ix_holds_expires_at", table_name="holds")
    op.drop_table("holds")
    op.drop_table("external_times")
    op.drop_index("ix_date_exceptions_business_id_date", table_name="date_exceptions")
    op.drop_table("date_exceptions")
    op.drop_index("ix_consents_customer_id_purpose_given_at", table_name="consents")
    op.drop_table("consents")
    op.drop_index("ix_external_sources_next_check_at", table_name="external_sources")
    op.drop_table("external_sources")
