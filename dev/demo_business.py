"""The demo business: its users, and the requests by which its owner sets it up."""

from typing import Any, Final

Json = dict[str, Any]

BUSINESS = "demo-garage"
TIMEZONE = "America/New_York"
# Not a secret: only the development stack has it.
PASSWORD = "holdfast-demo"  # noqa: S105  # nosec B105

CUSTOMER = "customer@demo.example"
EMAILS = (
    "admin@demo.example",
    "owner@demo.example",
    "ana@demo.example",
    "ben@demo.example",
    "cho@demo.example",
    CUSTOMER,
)


def login_email(login: str) -> str:
    """The e-mail address of a demo user."""
    return f"{login}@demo.example"


def provider_email(name: str) -> str:
    """The e-mail address of a provider: Ana Ruiz has ana@demo.example."""
    return login_email(name.split(maxsplit=1)[0].lower())


BUSINESS_DETAILS: Final[Json] = {"name": "Demo Garage", "slug": BUSINESS, "timezone": TIMEZONE, "currency": "USD"}

HOURS: Final[Json] = {
    "weekly": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat"], "opens": "08:00", "closes": "18:00"}]
}

HOLIDAYS: Final[dict[str, Json]] = {
    "2026-12-25": {"kind": "closed", "name": "Christmas Day", "yearly": True},
    "2027-01-01": {"kind": "closed", "name": "New Year's Day", "yearly": True},
}


def _service(code: str, name: str, minutes: int, price_minor: int, **more: Any) -> Json:
    return {
        "code": code,
        "name": name,
        "duration_minutes": minutes,
        "price": {"amount_minor": price_minor},
        "required_skills": [code],
        "slot_step_minutes": 30,
        "horizon_days": None,
    } | more


SERVICES: Final = (
    _service(
        *("repair", "Garage door repair", 60, 129_00),
        buffer_after_minutes=15,
        description="We find what is wrong and mend it, usually in one visit. Parts are charged separately.",
    ),
    _service(
        *("springs", "Spring replacement", 90, 249_00),
        buffer_after_minutes=15,
        description="Both springs, new cables, and the door balanced and checked.",
    ),
    _service("estimate", "Free estimate", 30, 0, description="We look at the door and tell you the cost."),
)

PAID: Final = _service("opener", "Opener installation", 60, 199_00) | {
    "description": "A new opener with two remote controls, installed and explained.",
    "required_skills": ["estimate"],  # every provider has it
    "payment_mode": "full",
}
"""Paid by card when a provider accepts. Added only if there is a payment gateway."""
CANCELLATION: Final[Json] = {"window_minutes": 3 * 24 * 60, "fee_percent": 25}


def _provider(login: str, name: str, phone: str, rating: float, *skills: str) -> Json:
    email = login_email(login)
    return {"code": login, "name": name, "email": email, "phone": phone, "rating": rating, "skills": list(skills)}


PROVIDERS: Final = (
    _provider("ana", "Ana Ruiz", "+12125550181", 4.9, "repair", "springs", "estimate"),
    _provider("ben", "Ben Cole", "+12125550182", 4.7, "repair", "estimate"),
    _provider("cho", "Cho Park", "+12125550183", 4.5, "springs", "estimate"),
)
"""Each has a login with the same name."""
