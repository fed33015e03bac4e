"""Slugs of businesses and codes of their resources: given, or made from the name."""

from typing import Annotated, Final

from pydantic import AfterValidator

from api.answers import invalid
from api.shapes import Code, Slug
from db.repositories.rows import as_uuid
from domain.slugs import slug_of, with_digest

_RESERVED_WORDS: Final = """
    about account accounts admin administrator api app assets auth billing bookings business businesses
    customers docs events exports health help hooks import imports livez login logout mail me metrics my new
    openapi owner profile providers public readyz register root search services settings signin signup static
    status support system users webhooks widget www
"""
RESERVED: Final = frozenset(_RESERVED_WORDS.split())
"""Slugs that no business may have: our own paths and hosts use these names, or may use them.

Codes are not restricted: they never stand beside our own names, and imports bring them back.
"""


def _no_id(value: str) -> str:
    if as_uuid(value) is not None:  # a path takes both, and would look up the id
        raise ValueError("must not look like an id")
    return value


def _free(value: str) -> str:
    if value in RESERVED:
        raise ValueError("is reserved; choose another")
    return value


OwnSlug = Annotated[Slug, AfterValidator(_no_id), AfterValidator(_free)]
OwnCode = Annotated[Code, AfterValidator(_no_id)]


def key_for(member: str, given: str | None, name: str) -> str:
    """The given key, else one made from the name (`domain.slugs`).

    Raises:
        RequestValidationError: the name yields no key; it points at `member`.
    """
    key = given or slug_of(name)
    if not key or as_uuid(key) is not None:
        raise invalid(member, "cannot be made from this name; give one")
    return with_digest(key, name) if member == "slug" and key in RESERVED and not given else key
