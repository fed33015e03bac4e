"""Path parameters that name a business, a service or a provider."""

import re
from typing import Annotated

from fastapi import Path

from domain.text_patterns import TextPattern

_SLUG = "^[A-Za-z0-9][A-Za-z0-9-]{0,62}$"
_CODE = "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"

_SAID = "must be an id, or made of letters, digits and hyphens, as corner-salon"
IdOrSlug = Annotated[str, TextPattern(_SLUG, _SAID), Path(description="The business's id or slug.")]
ServiceKey = Annotated[str, TextPattern(_CODE, _SAID), Path(description="The service's id or code.")]
ProviderKey = Annotated[str, TextPattern(_CODE, _SAID), Path(description="The provider's id or code.")]


def names_something(key: str) -> bool:
    """Whether it can be an id, slug or code, for lookups before FastAPI has validated the path."""
    return re.fullmatch(_CODE, key) is not None
