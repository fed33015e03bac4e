"""Who may hear which events, written down a second time: the product's own tables may be wrong."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

TO_PROVIDERS: Final = frozenset(
    {
        "scheduling.booking.created",
        "scheduling.booking.pending",
        "scheduling.booking.assigned",
        "scheduling.booking.accepted",
        "scheduling.booking.rejected",
        "scheduling.booking.started",
        "scheduling.booking.completed",
        "scheduling.booking.no_show",
        "scheduling.booking.cancelled",
        "scheduling.booking.rescheduled",
        "scheduling.booking.payment_asked",
        "scheduling.booking.paid",
        "scheduling.booking.reminder.due",
    }
)
TO_CUSTOMERS: Final = TO_PROVIDERS | {
    "payment.authorized",
    "payment.declined",
    "payment.captured",
    "payment.refunded",
}


@dataclass(frozen=True)
class Right:
    """What lets somebody hear events of a business."""

    business_id: UUID
    what: Literal["desk", "provider", "customer"]
    who: UUID | None = None
    """The provider or the customer's record; of a customer, none: whoever they are."""
    booking_id: UUID | None = None
    """Only of this booking."""

    def covers(self, event: Mapping[str, Any]) -> bool:
        """Whether an event, with `business_id`, `type` and `data`, may be heard."""
        data, type_ = event["data"], event["type"]
        if event["business_id"] != self.business_id:
            return False
        if self.booking_id is not None and data.get("bookingId") != str(self.booking_id):
            return False
        match self.what:
            case "desk":
                return True
            case "provider":
                named = (data.get("providerId"), data.get("formerProviderId"))
                return type_ in TO_PROVIDERS and str(self.who) in named
            case "customer":
                return type_ in TO_CUSTOMERS and self.who in (None, _uuid(data.get("customerId")))


def may_hear(rights: Iterable[Right], event: Mapping[str, Any]) -> bool:
    """Whether one of the rights covers it."""
    return any(right.covers(event) for right in rights)


def _uuid(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)
