"""Examples by the name of their schema, all of the same booking."""

from typing import Any, Final

_BUSINESS: Final = "01939a5c-0000-7000-8000-000000000001"
_SERVICE: Final = "01939a5c-0000-7000-8000-000000000002"
_PROVIDER: Final = "01939a5c-0000-7000-8000-000000000003"
_CUSTOMER: Final = "01939a5c-0000-7000-8000-000000000004"
_BOOKING: Final = "01939a5c-0000-7000-8000-000000000005"
_HOLD: Final = "01939a5c-0000-7000-8000-000000000006"
_USER: Final = "01939a5c-0000-7000-8000-000000000007"
_START: Final = "2035-03-14T14:00:00Z"
_END: Final = "2035-03-14T15:00:00Z"
_MADE: Final = "2035-03-01T09:30:00Z"
_PERSON: Final = {"name": "Casey Roe", "email": "casey@example.com", "phone": "+12125550147"}
_BOOKED: Final = {
    "id": _BOOKING,
    "reference": "HF-7K3M-Q9TX",
    "business_id": _BUSINESS,
    "service_id": _SERVICE,
    "provider_id": _PROVIDER,
    "customer_id": _CUSTOMER,
    "status": "assigned",
    "starts_at": _START,
    "ends_at": _END,
    "timezone": "America/New_York",
    "price": {"amount_minor": 12900, "currency": "USD"},
    "needs_attention": False,
    "payment": None,
    "version": 2,
    "created_at": _MADE,
    "updated_at": _MADE,
    "manage": None,
}

_SENT: Final = {
    "id": "01939a5c-0000-7000-8000-000000000008",
    "booking_id": _BOOKING,
    "kind": "send_email",
    "vendor": "sendgrid",
    "priority": "high",
    "state": "retrying",
    "attempts": 2,
    "last_error": "rate_limited",
    "due_at": _MADE,
    "last_attempt_at": _MADE,
    "next_attempt_at": "2035-03-01T09:31:00Z",
    "done_at": None,
    "vendor_ref": None,
    "created_at": _MADE,
}

EXAMPLES: Final[dict[str, Any]] = {
    "BusinessIn": {
        "name": "Corner Garage",
        "slug": "corner-garage",
        "timezone": "America/New_York",
        "currency": "USD",
    },
    "BusinessChange": {"status": "active"},
    "ServiceIn": {
        "code": "repair",
        "name": "Repair",
        "duration_minutes": 60,
        "price": {"amount_minor": 12900, "currency": "USD"},
    },
    "ServiceChange": {"duration_minutes": 90},
    "ProviderIn": {"code": "ana", "name": "Ana", "skills": ["repair"]},
    "ProviderChange": {"available": False},
    "MemberIn": {"role": "admin"},
    "BookingIn": {
        "business_id": "corner-garage",
        "service_id": "repair",
        "starts_at": _START,
        "customer": _PERSON,
        "notes": "The gate is at the back.",
    },
    "BookingOut": _BOOKED,
    "TemplateIn": {
        "subject": "Confirmed: {{ service.name }}",
        "body": "Hello {{ customer.name }},\n\nsee you on {{ booking.starts }}.",
    },
    "PreviewIn": {"kind": "confirmed", "audience": "customer", "channel": "email", "language": "de"},
    "BookingPage": {"items": [_BOOKED], "next_cursor": None},
    "HoldIn": {"business_id": "corner-garage", "service_id": "repair", "starts_at": _START},
    "HoldOut": {
        "id": _HOLD,
        "business_id": _BUSINESS,
        "service_id": _SERVICE,
        "provider_id": _PROVIDER,
        "starts_at": _START,
        "ends_at": _END,
        "expires_at": _MADE,
        "status": "held",
        "booking_id": None,
        "price": {"amount_minor": 12900, "currency": "USD"},
    },
    "ReasonIn": {"reason": "The car is sold."},
    "NoShowIn": {"party": "customer"},
    "RescheduleIn": {"starts_at": "2035-03-15T14:00:00Z"},
    "AssignIn": {"provider_id": _PROVIDER},
    "OverrideIn": {"status": "completed", "reason": "Done by hand while the network was away."},
    "History": {
        "items": [
            {
                "sequence": 1,
                "kind": "created",
                "old_status": None,
                "new_status": "pending",
                "actor": {"role": "customer", "id": _USER},
                "reason": None,
                "provider_id": _PROVIDER,
                "occurred_at": _MADE,
            }
        ]
    },
    "NextOut": {
        "status": "assigned",
        "phase": "awaiting_answer",
        "deadline": {"kind": "offer_expires", "at": "2035-03-01T09:45:00Z"},
        "attempt": 1,
        "max_attempts": 5,
        "next_attempt_at": None,
        "refused_provider_ids": [],
        "choice": {
            "strategy": "highest_rating",
            "provider_id": _PROVIDER,
            "candidates": 2,
            "because": "rating 4.90",
        },
        "cancellation": {
            "free_until": "2035-03-13T14:00:00Z",
            "fee": {"amount_minor": 6450, "currency": "USD"},
            "is_due": False,
        },
        "movable_until": "2035-03-14T14:00:00Z",
        "reminders": [{"minutes_before": 1440, "at": "2035-03-13T14:00:00Z"}],
        "needs_attention": False,
    },
    "SlotsOut": {
        "timezone": "America/New_York",
        "as_of": None,
        "items": [
            {
                "starts_at": "2035-03-14T10:00:00-04:00",
                "ends_at": "2035-03-14T11:00:00-04:00",
                "provider_ids": [_PROVIDER],
                "seats_left": 1,
            }
        ],
    },
    "CustomersCustomerIn": {
        **_PERSON,
        "consents": [{"purpose": "sms", "granted": True, "text": "You may text me.", "source": "desk"}],
    },
    "CustomerChange": {"phone": "+12125550148"},
    "CustomerSearch": {"email": "casey@example.com"},
    "CustomerOut": {
        "id": _CUSTOMER,
        **_PERSON,
        "locale": "en-US",
        "timezone": None,
        "sms_opt_in": True,
        "has_account": False,
        "created_at": _MADE,
    },
    "DatedConsentIn": {"purpose": "sms", "granted": False, "source": "call"},
    "TimeOffIn": {"first_date": "2035-07-01", "last_date": "2035-07-14", "note": "Summer"},
    "ExceptionIn": {"kind": "closed", "name": "Christmas", "yearly": True},
    "HoursIn": {"weekly": [{"days": ["mon", "tue", "wed", "thu", "fri"], "opens": "08:00", "closes": "18:00"}]},
    "AreasIn": {"areas": [{"kind": "prefix", "code": "100"}]},
    "IntegrationIn": {"settings": {"sender": "desk@example.com"}, "secrets": {"api_key": "SG.key"}},
    "JobOut": _SENT,
    "Jobs": {"items": [_SENT]},
    "JobPage": {"items": [_SENT], "next_cursor": None},
    "ExternalSourceIn": {"url": "https://calendar.example.com/busy"},
}
