"""The headers of requests and answers in the document."""

from typing import Any, Final

Json = dict[str, Any]


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


HEADERS: Final[Json] = {
    "X-Request-ID": {
        "description": "The id of the request: the one that was sent, when it is 1 to 64 of `A-Za-z0-9._-`.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "RateLimit": {
        "description": "What is left in the present window; absent where no limit is set.",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {"description": "The limit and its window.", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "Seconds to wait before asking again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "How to prove who one is (RFC 6750).",
        "required": True,
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "The version of what is answered, for `If-Match` and `If-None-Match`.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "Where to find what was made.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
}

_TAG: Final = r'(W/)?"[!#-+\--~]*"'
_TAGS: Final = rf"\*|{_TAG}(, *{_TAG})*"

IF_NONE_MATCH: Final[Json] = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of what you have: unchanged, it is answered 304 without a body.",
    "schema": {"type": "string"},
}
IF_MATCH: Final[Json] = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The `ETag` of what you have read, so that nobody's change is lost; `*` is any.",
    "schema": {"type": "string", "maxLength": 255, "pattern": rf"^({_TAGS})$"},
    "example": "*",
}
MAY_MATCH: Final[Json] = IF_MATCH | {
    "required": False,
    "description": "Replace only this: the `ETag` of what you have read.",
    "schema": {"type": "string", "maxLength": 255, "pattern": rf"^({_TAGS})?$"},
}

UNTAGGED: Final = frozenset(
    {
        *("receiveHook", "getJwks", "login", "refresh", "register", "verifyEmail", "forgotPassword", "getMe"),
        *("createApiKey", "listApiKeys", "listAuditLog", "listIntegrations", "exportBusiness", "importBusiness"),
        *(
            "listCustomers",
            "searchCustomers",
            "listConsents",
            "listBookings",
            "getBookingHistory",
            "getBookingNext",
        ),
        *("createBusinessTimeOff", "listBusinessTimeOff", "createProviderTimeOff", "listProviderTimeOff"),
        *("listBookingMessages", "previewMessage"),
        *("listBookingJobs", "listJobs", "retryJob", "skipJob"),
        *("listFindings", "resolveFinding", "reconcileBusiness"),
        *("listEvents", "streamBookingEvents", "streamMyEvents", "createStreamTicket"),
        *("rotateWebhookSecret", "testWebhookEndpoint"),
        *("listWebhookDeliveries", "retryWebhookDelivery", "replayWebhookDeliveries"),
        *("addAttachment", "listAttachments", "getAttachment", "createExport", "listExports", "getExport"),
        *("createHold", "getHold", "livez", "readyz", "health", "metrics"),
    }
)
"""Operations without an `ETag`: pages, transient results, and what cannot be changed."""
UNCONDITIONAL: Final = frozenset({"getBooking"})
"""Operations whose tag is for `If-Match` only."""
UNPLACED: Final = frozenset({"addConsent", "createBusinessTimeOff", "createProviderTimeOff", "createApiKey"})
"""Operations that create something without a URL of its own."""

RETRY_AFTER: Final[Json] = {"Retry-After": _ref("headers", "Retry-After")}
WWW_AUTHENTICATE: Final[Json] = {"WWW-Authenticate": _ref("headers", "WWW-Authenticate")}
ETAG: Final[Json] = {"ETag": _ref("headers", "ETag")}
LOCATION: Final[Json] = {"Location": _ref("headers", "Location")}


def of_every_answer() -> Json:
    """The headers that every answer may have."""
    return {name: _ref("headers", name) for name in ("X-Request-ID", "RateLimit", "RateLimit-Policy")}
