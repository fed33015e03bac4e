"""The text printed when the stack is ready."""

import json
import shlex
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dev.demo_business import BUSINESS, CUSTOMER, EMAILS, PASSWORD, TIMEZONE
from dev.settings import DevSettings

_SUNDAY = 6
_JSON = "-H 'Content-Type: application/json'"


def welcome(settings: DevSettings, now: datetime) -> str:
    """The addresses, the users and the next steps."""
    return f"""
Holdfast is up.

  Booking page  {settings.api_url}/b/{BUSINESS}
  API           {settings.api_url}
  API docs      {settings.api_url}/docs
  gRPC          {settings.grpc_address}   (its token: {settings.home.absolute() / "keys" / "grpc.token"})
  Vendors       {settings.vendors_url}   (simulated: e-mails, texts, payments, jobs)
  Temporal UI   {settings.temporal_ui_url or "of your own server at " + str(settings.temporal_address)}

  Users         {", ".join(EMAILS[:3])},
                {", ".join(EMAILS[3:])}
  Password      {PASSWORD}

Book a repair (paste into another terminal):

{booking_command(settings.api_url, next_opening(now))}

Show a booking from request to completion: make demo
Logs: {settings.home.absolute() / "logs"}
Stop with Ctrl-C; the data is kept.
"""


def next_opening(now: datetime) -> datetime:
    """10:00 in the business's zone on the next open day after today."""
    local = now.astimezone(ZoneInfo(TIMEZONE))
    day = local.replace(hour=10, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return day + timedelta(days=1) if day.weekday() == _SUNDAY else day


def booking_command(api_url: str, starts_at: datetime) -> str:
    """A shell command that logs in and books."""
    login = json.dumps({"email": CUSTOMER, "password": PASSWORD})
    booking = json.dumps({"business_id": BUSINESS, "service_id": "repair", "starts_at": starts_at.isoformat()})
    extraction = """sed -E 's/.*"access_token" *: *"([^"]+)".*/\\1/'"""
    lines = (
        f"TOKEN=$(curl -s {api_url}/v1/auth/login \\",
        f"  {_JSON} \\",
        f"  -d {shlex.quote(login)} \\",
        f"  | {extraction})",
        f"curl -s {api_url}/v1/bookings \\",
        f"  {_JSON} \\",
        '  -H "Idempotency-Key: $(date +%s)" -H "Authorization: Bearer $TOKEN" \\',
        f"  -d {shlex.quote(booking)}",
    )
    return "\n".join(lines)
