"""The configuration of schemathesis, with the reason for each exception."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

PHASES: Final = ("examples", "coverage", "fuzzing", "stateful")

_GOOD: Final = ("2xx", "3xx", 401, 403, 404, 409, 412, 429, "5xx")
_COMMON: Final = f"""
color = false
continue-on-failure = true
cache = {{ enabled = false }}
warnings = false

[output.truncation]
max-lines = 40

[generation]
max-examples = %d
deterministic = true
allow-x00 = false
database = "none"

[phases.stateful.generation]
max-examples = %d

# A precondition is part of a good request, and whether it holds is not for the document to say.
[checks]
missing_required_header.expected-statuses = [400, 401, 403, 404, 406, 412, 415, 422, 428]
positive_data_acceptance.expected-statuses = {json.dumps(_GOOD)}
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 415, 422, 428, 429, "5xx"]
"""

_ENDS_THE_LOGIN: Final = ("logout", "logoutEverywhere")
"""After these everything would be answered 401; they have tests of their own."""
_WITHOUT_END: Final = ("streamBookingEvents", "streamMyEvents")
"""Their answers go on for as long as their client listens; they have tests of their own."""
_IN_A_COLLECTION: Final = (
    "checks.unsupported_method.enabled = false\nchecks.allow_header_conformance.enabled = false"
)
"""`…/customers/search` is also where a customer of that id would be, whom one may GET and PATCH."""
_ANOTHER_BUSINESS: Final = "phases.stateful.enabled = false"
"""What is founded in between is not what the paths then name: that is the business of the test, whoever asks."""
_RULES: Final = {
    "the token was never sent": ("verifyEmail", "resetPassword"),
    "a name is printable, and a slug or a code can be made of it": (
        *("register", "createBusiness", "createProvider", "createService"),
    ),
    "what an account needs depends on its vendor": ("putIntegration",),
    "a file is not empty, and its name leads nowhere": ("addAttachment",),
    "a cursor is one of ours": (
        *("listBookings", "listAuditLog", "listCustomers", "listConsents", "listJobs"),
        *("listBusinessTimeOff", "listProviderTimeOff", "listWebhookDeliveries"),
    ),
    "CSV holds one section": ("exportBusiness", "importBusiness"),
    "one moment lies behind another, and not too far": (
        *(
            "getReport",
            "listSlots",
            "createApiKey",
            "addConsent",
            "listBusinessExceptions",
            "listProviderExceptions",
        ),
    ),
    "12900.0 is a whole number, and most likely meant as 129.00": ("createService", "changeService"),
    "some members exclude or need each other": (
        *("createCustomer", "searchCustomers"),
        *("createBusinessTimeOff", "createProviderTimeOff", "putBusinessAreas", "putProviderAreas"),
        *("putBusinessException", "putProviderException"),
    ),
    "a template says something, and names what there is": ("putMessageTemplate", "previewMessage"),
    "intervals do not overlap": ("putBusinessHours", "putProviderHours"),
    "the provider does this, at a time to come": (
        *("createBooking", "createHold", "rescheduleBooking", "assignBooking"),
    ),
    "the address may be reached, and the token fits a header": (
        *("putExternalSource", "createWebhookEndpoint", "changeWebhookEndpoint"),
    ),
    "there is such a type of event": ("createWebhookEndpoint", "changeWebhookEndpoint", "listEvents"),
    "who runs several businesses says which": ("listEvents",),
}
"""Why a request of the right shape is still refused, by operation: no schema can say it."""


def text(
    token: str | None,
    values: Mapping[str, str],
    *,
    ids: Mapping[str, str],
    examples: int,
    uncovered: Sequence[str] = (),
    phases: Sequence[str] = PHASES,
) -> str:
    """The configuration file, in TOML.

    Asked is with this token, about these values of path parameters, and about these ids as often as about others;
    `uncovered` are the operations that the phase which tries every edge of every schema leaves out.
    """
    parts = [_COMMON % (examples, 4 * examples)]
    if token:
        parts.append(f'[auth.openapi.bearer]\nbearer = "{token}"')
        parts.append(_operations(_ENDS_THE_LOGIN, "enabled = false"))
    parts += [_table(f"dictionaries.{name}", {"values": [value]}) for name, value in ids.items()]
    parts.append(_table("parameters", {f"path.{name}": value for name, value in values.items()}))
    parts += [_table(f'parameters."path.{name}"', {"dictionary": name, "probability": 0.5}) for name in ids]
    parts.append(_operations(_WITHOUT_END, "enabled = false"))
    parts.append(_operations(["searchCustomers"], _IN_A_COLLECTION))
    parts.append(_operations(["createBusiness"], _ANOTHER_BUSINESS))
    if uncovered:
        parts.append(_operations(uncovered, "phases.coverage.enabled = false"))
    parts += [_table(f"phases.{name}", {"enabled": name in phases}) for name in PHASES]
    refused = f"checks.positive_data_acceptance.expected-statuses = {json.dumps([*_GOOD, 400, 422])}"
    parts.append(_operations([name for names in _RULES.values() for name in names], refused))
    return "\n\n".join(parts) + "\n"


def _table(name: str, members: Mapping[str, Any]) -> str:
    return "\n".join(
        [f"[{name}]", *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in members.items())]
    )


def _operations(names: Sequence[str], settings: str) -> str:
    return f"[[operations]]\ninclude-operation-id = {json.dumps(list(names))}\n{settings}"
