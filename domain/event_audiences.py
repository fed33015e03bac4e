"""Who hears an event: each event names its topics, each listener follows some, and one in common is enough."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from domain.event_catalogue import CATALOGUE

EVERYTHING: Final = "*"
"""The topic of every event of a business."""


def of_booking(booking_id: UUID | str) -> str:
    """The topic of one booking, for the holder of its link."""
    return f"booking/{booking_id}"


def of_booking_for(booking_id: UUID | str, customer_id: UUID | str) -> str:
    """The topic of one booking for its customer, by their record with the business."""
    return f"customer/{customer_id}/booking/{booking_id}"


def of_booking_at_desk(booking_id: UUID | str) -> str:
    """The topic of one booking, with what only the desk hears."""
    return f"desk/booking/{booking_id}"


def of_booking_with(booking_id: UUID | str, provider_id: UUID | str) -> str:
    """The topic of one booking as long as this provider has it."""
    return f"provider/{provider_id}/booking/{booking_id}"


def of_provider(provider_id: UUID | str) -> str:
    """The topic of the bookings that a provider has."""
    return f"provider/{provider_id}"


def of_customer(customer_id: UUID | str) -> str:
    """The topic of a customer's bookings, by their record with the business."""
    return f"customer/{customer_id}"


def topics_of(event: Mapping[str, Any]) -> frozenset[str]:
    """The topics of an event, given its `type` and `data`.

    A provider hears of a booking from the moment of the offer until the event by which it leaves them, which names
    them as `formerProviderId`.
    """
    spec, data = CATALOGUE.get(event["type"]), event["data"]
    topics = {EVERYTHING}
    booking_id = data.get("bookingId")
    if booking_id:
        topics.add(of_booking_at_desk(booking_id))
    if spec is not None and spec.for_customers:
        customer_id = data.get("customerId")
        topics |= {of_booking(booking_id)} if booking_id else set()
        topics |= {of_customer(customer_id)} if customer_id else set()
        topics |= {of_booking_for(booking_id, customer_id)} if booking_id and customer_id else set()
    if spec is not None and spec.for_providers:
        for provider_id in filter(None, (data.get("providerId"), data.get("formerProviderId"))):
            topics |= {of_provider(provider_id), of_booking_with(booking_id, provider_id)}
    return frozenset(topics)
