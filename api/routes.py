"""The routers of the application, in the order in which they are tried."""

from importlib import import_module
from typing import Final

from fastapi import APIRouter

_MODULES: Final = (
    # The first that fits is taken, so what is asked most often comes first.
    "bookings.routes",
    "bookings.command_routes",
    "attachments.routes",
    "payments.routes",
    "slots.routes",
    "holds.routes",
    "auth.routes",
    "businesses.routes",
    "services.routes",
    "providers.routes",
    "members.routes",
    "schedule.routes",
    "areas.routes",
    "origins.routes",
    "customers.routes",
    "customers.consent_routes",
    "transfer.routes",
    "exports.routes",
    "external_source.routes",
    "webhooks.routes",
    "webhooks.delivery_routes",
    "events.routes",
    "reports.routes",
    "messages.template_routes",
    "messages.routes",
    "integrations.routes",
    "jobs.routes",
    "findings.routes",
    "api_keys.routes",
    "audit.routes",
    "hooks.routes",
    "health.routes",
)

ROUTERS: Final[tuple[APIRouter, ...]] = tuple(import_module(f"api.{name}").router for name in _MODULES)
