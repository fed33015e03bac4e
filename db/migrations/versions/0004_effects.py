"""Effects: integrations, messages, payments, webhooks, and the places of events.

Revision: 0004
Follows: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event_positions",
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_event_positions_business_id")),
        sa.PrimaryKeyConstraint("business_id", name=op.f("pk_event_positions")),
    )
    op.create_table(
        "integrations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("port", sa.String(length=20), nullable=False),
        sa.Column("vendor", sa.String(length=20), nullable=False),
        sa.Column(
            "settings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("secrets_encrypted", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "port IN ('email', 'sms', 'jobs', 'payments', 'analytics', 'storage', 'webhooks')",
            name=op.f("ck_integrations_port_is_known"),
        ),
        sa.CheckConstraint(
            "vendor IN ('smtp', 'sendgrid', 'klaviyo', 'twilio', 'servicetitan', 'stripe', 'payjp', 'ga4', 'meta', 'google_ads', 's3', 'webhook')",
            name=op.f("ck_integrations_vendor_is_known"),
        ),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_integrations_business_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integrations")),
        sa.UniqueConstraint("business_id", "id", name=op.f("uq_integrations_business_id_id")),
        sa.UniqueConstraint("business_id", "vendor", name=op.f("uq_integrations_business_id_vendor")),
    )
    op.create_index(
        "uq_integrations_business_id_port",
        "integrations",
        ["business_id", "port"],
        unique=True,
        postgresql_where=sa.text("port <> 'analytics' AND enabled"),
    )
    op.create_table(
        "message_templates",
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("audience", sa.String(length=20), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_message_templates_business_id")),
        sa.PrimaryKeyConstraint(
            "business_id", "kind", "audience", "channel", "language", name=op.f("pk_message_templates")
        ),
    )
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("description", sa.String(length=200), server_default="", nullable=False),
        sa.Column("event_types", postgresql.ARRAY(sa.String(length=100)), server_default="{}", nullable=False),
        sa.Column("secret_encrypted", sa.Text(), nullable=False),
        sa.Column("former_secret_encrypted", sa.Text(), nullable=True),
        sa.Column("former_secret_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=20), server_default="enabled", nullable=False),
        sa.Column("disabled_reason", sa.String(length=40), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('enabled', 'disabled')", name=op.f("ck_webhook_endpoints_state_is_known")),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_webhook_endpoints_business_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
        sa.UniqueConstraint("business_id", "id", name=op.f("uq_webhook_endpoints_business_id_id")),
    )
    op.create_table(
        "inbound_events",
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.String(length=255), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(length=100), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["business_id", "integration_id"],
            ["integrations.business_id", "integrations.id"],
            name=op.f("fk_inbound_events_business_id_integration_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("integration_id", "event_id", name=op.f("pk_inbound_events")),
    )
    op.create_index("ix_inbound_events_received_at", "inbound_events", ["received_at"], unique=False)
    op.create_table(
        "attachments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(length=20), server_default="uploading", nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("content_type", sa.String(length=255), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("storage", sa.String(length=20), nullable=False),
        sa.Column("storage_key", sa.String(length=255), nullable=False),
        sa.Column("uploaded_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("size_bytes >= 0", name=op.f("ck_attachments_size_is_positive")),
        sa.CheckConstraint(
            "state IN ('uploading', 'stored', 'deleted')", name=op.f("ck_attachments_state_is_known")
        ),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_attachments_business_id")),
        sa.ForeignKeyConstraint(
            ["business_id", "booking_id"],
            ["bookings.business_id", "bookings.id"],
            name=op.f("fk_attachments_business_id_booking_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
    )
    op.create_index(
        "ix_attachments_business_id_booking_id", "attachments", ["business_id", "booking_id", "id"], unique=False
    )
    op.create_index(
        "ix_attachments_unsettled",
        "attachments",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state <> 'stored'"),
    )
    op.create_table(
        "effects",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("vendor", sa.String(length=20), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("lane", sa.String(length=20), nullable=True),
        sa.Column(
            "subject",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("state", sa.String(length=20), server_default="pending", nullable=False),
        sa.Column("round", sa.Integer(), server_default="1", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("handed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=100), nullable=True),
        sa.Column("vendor_ref", sa.String(length=255), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('pending', 'running', 'retrying', 'done', 'failed', 'skipped', 'obsolete')",
            name=op.f("ck_effects_state_is_known"),
        ),
        sa.CheckConstraint(
            "vendor IN ('smtp', 'sendgrid', 'klaviyo', 'twilio', 'servicetitan', 'stripe', 'payjp', 'ga4', 'meta', 'google_ads', 's3', 'webhook')",
            name=op.f("ck_effects_vendor_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["business_id", "booking_id"],
            ["bookings.business_id", "bookings.id"],
            name=op.f("fk_effects_business_id_booking_id"),
        ),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_effects_business_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_effects")),
        sa.UniqueConstraint("business_id", "key", name=op.f("uq_effects_business_id_key")),
    )
    op.create_index(
        "ix_effects_business_id_booking_id", "effects", ["business_id", "booking_id", "id"], unique=False
    )
    op.create_index(
        "ix_effects_failed",
        "effects",
        ["business_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'failed'"),
    )
    op.create_index(
        "ix_effects_open_in_lane",
        "effects",
        ["booking_id", "lane", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'retrying', 'running')"),
    )
    op.create_index(
        "ix_effects_under_way",
        "effects",
        ["business_id", "vendor"],
        unique=False,
        postgresql_where=sa.text("state = 'running' OR state = 'pending' AND handed_at IS NOT NULL"),
    )
    op.create_index(
        "ix_effects_target_id",
        "effects",
        ["target_id", "id"],
        unique=False,
        postgresql_where=sa.text("target_id IS NOT NULL"),
    )
    op.create_index(
        "ix_effects_to_hand_over",
        "effects",
        ["business_id", "vendor", "due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending' AND handed_at IS NULL"),
    )
    op.create_table(
        "findings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("vendor", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column(
            "detail",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("state", sa.String(length=20), server_default="open", nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('open', 'repairing', 'resolved')", name=op.f("ck_findings_state_is_known")),
        sa.ForeignKeyConstraint(
            ["business_id", "booking_id"],
            ["bookings.business_id", "bookings.id"],
            name=op.f("fk_findings_business_id_booking_id"),
        ),
        sa.ForeignKeyConstraint(["business_id"], ["businesses.id"], name=op.f("fk_findings_business_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
        sa.UniqueConstraint("business_id", "key", name=op.f("uq_findings_business_id_key")),
    )
    op.create_index(
        "ix_findings_open",
        "findings",
        ["business_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "payments",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("business_id", sa.Uuid(), nullable=False),
        sa.Column("vendor", sa.String(length=20), nullable=False),
        sa.Column("collect", sa.String(length=20), nullable=False),
        sa.Column("amount_minor", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("method_encrypted", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("payer_ref", sa.String(length=255), nullable=True),
        sa.Column("gateway_ref", sa.String(length=255), nullable=True),
        sa.Column("action_encrypted", sa.Text(), nullable=True),
        sa.Column("failure", sa.String(length=100), nullable=True),
        sa.Column("captured_minor", sa.Integer(), server_default="0", nullable=False),
        sa.Column("refunded_minor", sa.Integer(), server_default="0", nullable=False),
        sa.Column("keep_minor", sa.Integer(), nullable=True),
        sa.Column("authorized_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("collect IN ('booking', 'completion')", name=op.f("ck_payments_collect_is_known")),
        sa.CheckConstraint(
            "state IN ('awaiting', 'action_required', 'declined', 'authorized', 'captured', 'released', 'refunded')",
            name=op.f("ck_payments_state_is_known"),
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payments_costs_something")),
        sa.CheckConstraint(
            "captured_minor BETWEEN 0 AND amount_minor", name=op.f("ck_payments_captures_no_more_than_it_costs")
        ),
        sa.CheckConstraint(
            "refunded_minor BETWEEN 0 AND captured_minor",
            name=op.f("ck_payments_refunds_no_more_than_was_captured"),
        ),
        sa.ForeignKeyConstraint(
            ["business_id", "booking_id"],
            ["bookings.business_id", "bookings.id"],
            name=op.f("fk_payments_business_id_booking_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("pk_payments")),
    )
    op.create_index(
        "ix_payments_business_id_gateway_ref", "payments", ["business_id", "gateway_ref"], unique=False
    )
    _look_up_payments()
    op.add_column("bookings", sa.Column("payment", sa.String(length=20), nullable=True))
    _look_up_bookings()
    op.add_column("customers", sa.Column("locale", sa.String(length=35), nullable=True))
    op.add_column("customers", sa.Column("timezone", sa.String(length=64), nullable=True))
    op.add_column("events", sa.Column("position", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_events_without_position",
        "events",
        ["time", "id"],
        unique=False,
        postgresql_where=sa.text("position IS NULL"),
    )
    op.create_index("uq_events_business_id_position", "events", ["business_id", "position"], unique=True)
    op.add_column(
        "messages",
        sa.Column("state_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column("messages", sa.Column("minutes_before", sa.Integer(), nullable=True))
    op.add_column("messages", sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("messages", sa.Column("booking_version", sa.Integer(), nullable=True))
    op.add_column("messages", sa.Column("provider_id", sa.Uuid(), nullable=True))
    op.add_column("messages", sa.Column("language", sa.String(length=35), nullable=True))
    op.add_column("messages", sa.Column("subject", sa.Text(), nullable=True))
    op.add_column("messages", sa.Column("vendor_ref", sa.String(length=255), nullable=True))
    op.add_column("messages", sa.Column("error", sa.String(length=100), nullable=True))
    op.alter_column("messages", "body", existing_type=sa.TEXT(), nullable=True)
    op.create_index("ix_messages_vendor_ref", "messages", ["vendor_ref"], unique=False)
    op.add_column(
        "services", sa.Column("payment_mode", sa.String(length=20), server_default="none", nullable=False)
    )
    op.add_column(
        "services", sa.Column("payment_at", sa.String(length=20), server_default="booking", nullable=False)
    )
    op.add_column("services", sa.Column("deposit_minor", sa.Integer(), nullable=True))
    op.create_check_constraint(
        op.f("ck_bookings_payment_is_known"), "bookings", "payment IN ('awaiting', 'authorized')"
    )
    op.create_check_constraint(
        op.f("ck_services_payment_mode_is_known"), "services", "payment_mode IN ('none', 'deposit', 'full')"
    )
    op.create_check_constraint(
        op.f("ck_services_payment_at_is_known"), "services", "payment_at IN ('booking', 'completion')"
    )
    op.create_check_constraint(op.f("ck_services_deposit_is_positive"), "services", "deposit_minor > 0")
    op.create_check_constraint(
        op.f("ck_services_deposits_say_how_much"),
        "services",
        "(payment_mode = 'deposit') = (deposit_minor IS NOT NULL)",
    )
    op.drop_constraint(op.f("ck_messages_state_is_known"), "messages", type_="check")
    op.create_check_constraint(
        op.f("ck_messages_state_is_known"),
        "messages",
        "state IN ('queued', 'sent', 'delivered', 'opened', 'bounced', 'failed', 'suppressed')",
    )


def downgrade() -> None:
    # The former schema knows only messages that were sent, with their words. What became of one is forgotten; one
    # that failed was sent if a vendor had taken it. Those that never were have no place.
    op.execute(
        "DELETE FROM messages WHERE state IN ('queued', 'suppressed') OR state = 'failed' AND vendor_ref IS NULL"
    )
    op.drop_constraint(op.f("ck_messages_state_is_known"), "messages", type_="check")
    op.execute(
        "UPDATE messages SET state = 'sent', body = coalesce(body, '') WHERE state <> 'sent' OR body IS NULL"
    )
    op.create_check_constraint(op.f("ck_messages_state_is_known"), "messages", "state = 'sent'")
    op.drop_column("services", "deposit_minor")
    op.drop_column("services", "payment_at")
    op.drop_column("services", "payment_mode")
    op.drop_index("ix_messages_vendor_ref", table_name="messages")
    op.alter_column("messages", "body", existing_type=sa.TEXT(), nullable=False)
    op.drop_column("messages", "error")
    op.drop_column("messages", "vendor_ref")
    op.drop_column("messages", "subject")
    op.drop_column("messages", "language")
    op.drop_column("messages", "provider_id")
    op.drop_column("messages", "booking_version")
    op.drop_column("messages", "starts_at")
    op.drop_column("messages", "minutes_before")
    op.drop_column("messages", "state_at")
    op.drop_index("uq_events_business_id_position", table_name="events")
    op.drop_index("ix_events_without_position", table_name="events", postgresql_where=sa.text("position IS NULL"))
    op.drop_column("events", "position")
    op.drop_column("customers", "timezone")
    op.drop_column("customers", "locale")
    _look_up_bookings_as_before()
    op.drop_column("bookings", "payment")
    op.drop_index("ix_payments_business_id_gateway_ref", table_name="payments")
    op.drop_table("payments")
    op.drop_index("ix_findings_open", table_name="findings", postgresql_where=sa.text("state = 'open'"))
    op.drop_table("findings")
    op.drop_index(
        "ix_effects_to_hand_over",
        table_name="effects",
        postgresql_where=sa.text("state = 'pending' AND handed_at IS NULL"),
    )
    op.drop_index("ix_effects_target_id", table_name="effects", postgresql_where=sa.text("target_id IS NOT NULL"))
    op.drop_index(
        "ix_effects_open_in_lane",
        table_name="effects",
        postgresql_where=sa.text("state IN ('pending', 'retrying', 'running')"),
    )
    op.drop_index("ix_effects_under_way", table_name="effects")
    op.drop_index("ix_effects_failed", table_name="effects", postgresql_where=sa.text("state = 'failed'"))
    op.drop_index("ix_effects_business_id_booking_id", table_name="effects")
    op.drop_table("effects")
    op.drop_index(
        "ix_attachments_unsettled", table_name="attachments", postgresql_where=sa.text("state <> 'stored'")
    )
    op.drop_index("ix_attachments_business_id_booking_id", table_name="attachments")
    op.drop_table("attachments")
    op.drop_index("ix_inbound_events_received_at", table_name="inbound_events")
    op.drop_table("inbound_events")
    op.drop_table("webhook_endpoints")
    op.drop_table("message_templates")
    op.drop_index(
        "uq_integrations_business_id_port",
        table_name="integrations",
        postgresql_where=sa.text("port <> 'analytics' AND enabled"),
    )
    op.drop_table("integrations")
    op.drop_table("event_positions")


def _look_up_payments() -> None:
    op.create_index(
        "ix_payments_unsettled",
        "payments",
        ["business_id", "booking_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('awaiting', 'action_required', 'declined', 'authorized')"),
    )
    op.create_index(
        "ix_payments_settled",
        "payments",
        ["business_id", "updated_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('captured', 'released', 'refunded')"),
    )


def _look_up_bookings() -> None:
    op.drop_index(
        "ix_bookings_open",
        table_name="bookings",
        postgresql_where=sa.text("status NOT IN ('completed', 'cancelled')"),
    )
    op.create_index(
        "ix_bookings_open",
        "bookings",
        ["business_id", "id"],
        unique=False,
        postgresql_where=sa.text("status NOT IN ('completed', 'cancelled')"),
    )
    op.create_index(
        "ix_bookings_ended",
        "bookings",
        ["business_id", "updated_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('completed', 'cancelled')"),
    )
    op.create_index(
        "ix_bookings_unpaid",
        "bookings",
        ["id"],
        unique=False,
        postgresql_where=sa.text("payment = 'awaiting' AND status NOT IN ('completed', 'cancelled')"),
    )


def _look_up_bookings_as_before() -> None:
    op.drop_index(
        "ix_bookings_unpaid",
        table_name="bookings",
        postgresql_where=sa.text("payment = 'awaiting' AND status NOT IN ('completed', 'cancelled')"),
    )
    op.drop_index(
        "ix_bookings_ended",
        table_name="bookings",
        postgresql_where=sa.text("status IN ('completed', 'cancelled')"),
    )
    op.drop_index(
        "ix_bookings_open",
        table_name="bookings",
        postgresql_where=sa.text("status NOT IN ('completed', 'cancelled')"),
    )
    op.create_index(
        "ix_bookings_open",
        "bookings",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status NOT IN ('completed', 'cancelled')"),
    )
