"""What the OpenAPI document says in words."""

from typing import Final

from api.openapi.problems import every_code
from domain.access import PERMITTED, Permission
from domain.callers import CallerKind
from domain.lifecycle import MANAGERS, Role

_CODES: Final = "\n".join(f"| {code.status} | `{code.code}` | {code.title} |" for code in every_code())

DESCRIPTION: Final = f"""\
Bookings that nothing loses: customers book, providers are asked, and every step is kept.

**Who you are.** Send `Authorization: Bearer …` with an access token, an API key or the token of a booking's manage
link. Each operation says who may call it.

**Once.** A `POST` with an `Idempotency-Key` is carried out once: the same request with the same key gets the same
answer for 24 hours.

**Nobody's change is lost.** What has an `ETag` is changed with `If-Match`.

**Tracing.** `X-Request-ID` and `traceparent` are taken and passed on; every answer has an `X-Request-ID`.

**Errors** are problem documents (RFC 9457). Branch on their `code`:

| status | code | |
|---|---|---|
{_CODES}

**Versions.** Within `/v1` members, operations and codes are added, never taken away or changed: be ready for
members that you do not know. What will go is marked `deprecated`, and answers with `Deprecation` (RFC 9745) and
`Sunset` (RFC 8594) long before.
"""

SERVERS: Final = [{"url": "/", "description": "Where this document is."}]

TAGS: Final = [
    {"name": name, "description": description}
    for name, description in (
        ("auth", "Accounts and logins."),
        ("businesses", "A business, its policy and its status."),
        ("services", "What can be booked."),
        ("providers", "Who does the work."),
        ("members", "Who runs a business."),
        ("api keys", "Keys for programs: a widget, a server."),
        ("audit log", "Who did what to what, from where."),
        ("schedule", "Weekly hours, dates with other hours, and time off."),
        ("areas", "The postal codes that are served."),
        ("customers", "A business's customers and what they consented to."),
        ("slots", "What is free."),
        ("holds", "Time that is kept while a form is filled in."),
        ("bookings", "Booking, and seeing what became of it."),
        ("attachments", "Files that belong to a booking."),
        ("commands", "What people do with a booking. Each answers with the booking after it."),
        ("payments", "What a booking costs through a payment gateway, and how far that has come."),
        ("transfer", "A whole business out and in."),
        ("external source", "A calendar outside that says when a business is busy."),
        ("integrations", "The vendors that carry out what bookings set off: e-mail, texts, payments and more."),
        ("findings", "Where vendors' records and bookings differ."),
        ("messages", "What people are told of their bookings, and in which words."),
        ("jobs", "What bookings have set off at vendors, and the repair of what got stuck."),
        ("hooks", "What vendors call when something has happened on their side."),
        ("events", "What has happened in a business, in order and without a gap."),
        ("webhooks", "Where a business is told of its events, and what came of it."),
        ("reports", "What a business's bookings add up to."),
        ("health", "How the process does."),
    )
]


def who(permission: Permission) -> str:
    """Who may call what needs this permission, in a sentence."""
    rule = PERMITTED[permission]
    if CallerKind.ANONYMOUS in rule.kinds:
        key = f" API keys need the scope `{rule.scope}`." if rule.scope else ""
        return f"Open to everybody.{key}"
    callers = [_users(rule.roles)]
    if CallerKind.API_KEY in rule.kinds:
        callers.append(f"API keys with the scope `{rule.scope}`" if rule.scope else "API keys")
    if CallerKind.GUEST in rule.kinds:
        callers.append("whoever has the manage link, for that booking")
    return f"For {_joined(callers)}."


def _users(roles: frozenset[Role]) -> str:
    if not roles:
        return "users"
    desk = "owners and admins of the business"
    return f"{desk}, providers for themselves" if roles - MANAGERS else desk


def _joined(parts: list[str]) -> str:
    return ", and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
