"""The keys that businesses choose for themselves and what they have: given, or made from the name."""

from typing import Annotated, Final

from pydantic import AfterValidator

from api.businesses.answers import invalid
from api.shapes import Code, Slug
from db.repositories.rows import as_uuid
from domain.slugs import slug_of, with_digest

RESERVED: Final = frozenset(
    {
        *("about", "account", "accounts", "admin", "administrator", "api", "app", "assets", "auth", "billing"),
        *(
            "bookings",
            "business",
            "businesses",
            "customers",
            "docs",
            "events",
            "exports",
            "health",
            "help",
            "hooks",
        ),
        *(
            "import",
            "imports",
            "livez",
            "login",
            "logout",
            "mail",
            "me",
            "metrics",
            "my",
            "new",
            "openapi",
            "owner",
        ),
        *(
            "owner",
            "profile",
            "providers",
            "public",
            "readyz",
            "register",
            "root",
            "search",
            "services",
            "settings",
        ),
        *("signin", "signup", "static", "status", "support", "system", "users", "webhooks", "widget", "www"),
    }
)
"""Slugs that no business may have: paths and hosts of ours have such names, or may get them.

Codes are not restricted: nothing of ours stands beside them, and exports bring them back.
"""


def _no_id(value: str) -> str:
    if as_uuid(value) is not None:  # paths take either, and would look for the id
        raise ValueError("must not look like an id")
    return value


def _free(value: str) -> str:
    if value in RESERVED:
        raise ValueError("is reserved; choose another")
    return value


OwnSlug = Annotated[Slug, AfterValidator(_no_id), AfterValidator(_free)]
OwnCode = Annotated[Code, AfterValidator(_no_id)]


def key_for(member: str, given: str | None, name: str) -> str:
    """The key that was given, else one made from the name (`domain.slugs`).

    Raises:
        RequestValidationError: nothing of the name can be used; it points at `member`.
    """
    key = given or slug_of(name)
    if not key or as_uuid(key) is not None:
        raise invalid(member, "cannot be made from this name; give one")
    return with_digest(key, name) if member == "slug" and key in RESERVED and not given else key
