"""The keys that businesses choose for themselves and what they have: given, or made from the name."""

import re
import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator

from api.businesses.answers import invalid
from api.shapes import Code, Slug
from db.repositories.catalogue import as_uuid

_LONGEST: Final = 63


def _no_id(value: str) -> str:
    if as_uuid(value) is not None:  # paths take either, and would look for the id
        raise ValueError("must not look like an id")
    return value


OwnSlug = Annotated[Slug, AfterValidator(_no_id)]
OwnCode = Annotated[Code, AfterValidator(_no_id)]


def key_for(member: str, given: str | None, name: str) -> str:
    """The key that was given, else the name in ASCII letters, digits and hyphens: "Café Olé" is `cafe-ole`.

    Raises:
        RequestValidationError: nothing of the name can be used; it points at `member`.
    """
    key = given or _spelled(name)
    if not key or as_uuid(key) is not None:
        raise invalid(member, "cannot be made from this name; give one")
    return key


def _spelled(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name).casefold().replace("'", "")
    plain = folded.encode("ascii", "ignore").decode()
    return re.sub("[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST].strip("-")
