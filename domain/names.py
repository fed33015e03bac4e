"""Names that several packages share and that are stored in workflow histories. Never reuse one."""

from uuid import UUID

BOOKINGS_TASK_QUEUE = "holdfast-bookings"
SYNC_TASK_QUEUE = "holdfast-sync"
"""Calls to systems that businesses name: a hanging one delays no booking."""

BOOKING_WORKFLOW = "BookingWorkflow"
BOOKING_ID_PREFIX = "booking/"


def booking_workflow_id(booking_id: UUID) -> str:
    """The workflow id of a booking."""
    return f"{BOOKING_ID_PREFIX}{booking_id}"


PAYMENT_AUTHORIZED = "payment_authorized"
"""The signal that notifies a booking's workflow of its payment."""

LOAD_BOOKING = "load_booking"
RECORD_STEP = "record_step"
SEND_REMINDER = "send_reminder"
CATCH_UP = "catch_up"
"""The signal that makes a booking's workflow read steps it may not know from the database; also its activity."""
CATCH_UP_TO = "catch_up_to"
"""The update that does the same if the workflow knows an older version than the one that is sent."""
UP_TO_DATE = "up_to_date"
"""The type of its refusal."""

EXTERNAL_CALENDARS_WORKFLOW = "RefreshExternalCalendars"
EXTERNAL_CALENDARS_SCHEDULE = "external-calendars"
LIST_DUE_SOURCES = "list_due_sources"
REFRESH_EXTERNAL_CALENDAR = "refresh_external_calendar"

RECONCILE_WORKFLOW = "Reconcile"
RECONCILE_SCHEDULE = "reconcile"
RECONCILE_ID_PREFIX = "reconcile/"
LIST_TO_RECONCILE = "list_to_reconcile"
RECONCILE_INTEGRATION = "reconcile_integration"
FLAG_SIGNAL = "flag"


def reconcile_workflow_id(business_id: UUID) -> str:
    """The workflow id of an on-demand reconciliation of one business; only one runs at a time."""
    return f"{RECONCILE_ID_PREFIX}{business_id}"


ACCOUNT_MESSAGE_WORKFLOW = "AccountMessageWorkflow"
ACCOUNT_MESSAGE_ID_PREFIX = "account-message/"
SEND_ACCOUNT_MESSAGE = "send_account_message"


def account_message_workflow_id(request_id: UUID) -> str:
    """The workflow id of an account message; only one workflow sends it."""
    return f"{ACCOUNT_MESSAGE_ID_PREFIX}{request_id}"


EFFECT_ID_PREFIX = "effect/"


def effect_task_queue(vendor: str) -> str:
    """The task queue of a vendor's effects: a hanging vendor delays no other."""
    return f"holdfast-effects-{vendor}"


def effect_activity_id(effect_id: UUID, round_: int) -> str:
    """The activity id of an effect; only one activity carries it out at a time."""
    return f"{EFFECT_ID_PREFIX}{effect_id}/{round_}"


TENANT_ID = "TenantId"
BOOKING_REFERENCE = "BookingReference"
BOOKING_STATUS = "BookingStatus"
PROVIDER_ID = "ProviderId"
STARTS_AT = "StartsAt"
NEEDS_ATTENTION = "NeedsAttention"
