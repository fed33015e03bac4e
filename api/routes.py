"""The routers of the application, in the order in which they are tried."""

from typing import Final

from fastapi import APIRouter

from api import (
    api_keys,
    audit_log,
    consents,
    customers,
    events,
    exports,
    external_source,
    findings,
    health,
    integrations,
    jobs,
    members,
    origins,
    payments,
    providers,
    reports,
    services,
)
from api.attachments import routes as attachments
from api.auth import routes as auth
from api.bookings import command_routes as booking_commands
from api.bookings import routes as bookings
from api.businesses import routes as businesses
from api.holds import routes as holds
from api.hooks import routes as hooks
from api.messages import routes as messages
from api.messages import template_routes as message_templates
from api.schedule import areas, exceptions, hours, time_off
from api.slots import routes as slots
from api.streams import routes as streams
from api.streams import socket_routes as sockets
from api.streams import tickets as stream_tickets
from api.transfer import routes as transfer
from api.webhooks import delivery_routes as webhook_deliveries
from api.webhooks import routes as webhooks

_MODULES: Final = (
    # The first match wins, so the most frequent routes come first.
    bookings,
    booking_commands,
    attachments,
    payments,
    slots,
    holds,
    auth,
    businesses,
    services,
    providers,
    members,
    hours,
    exceptions,
    time_off,
    areas,
    origins,
    customers,
    consents,
    transfer,
    exports,
    external_source,
    webhooks,
    webhook_deliveries,
    streams,  # before the JSON form of the same path: it matches clients that accept a stream
    events,
    stream_tickets,
    sockets,
    reports,
    message_templates,
    messages,
    integrations,
    jobs,
    findings,
    api_keys,
    audit_log,
    hooks,
    health,
)

ROUTERS: Final[tuple[APIRouter, ...]] = tuple(module.router for module in _MODULES)
