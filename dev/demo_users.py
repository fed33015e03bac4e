"""The people of the demo business."""

BUSINESS = "demo-garage"
TIMEZONE = "America/New_York"
# Meant to be known: only the dev stack has it.
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
    """The address that a demo user logs in with."""
    return f"{login}@demo.example"


def provider_email(name: str) -> str:
    """The login of a provider of the demo business: Ana Ruiz has ana@demo.example."""
    return login_email(name.split(maxsplit=1)[0].lower())
