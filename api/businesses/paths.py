"""How paths name a business and what belongs to it."""

import re
from typing import Annotated

from fastapi import Path

_SLUG = "^[A-Za-z0-9][A-Za-z0-9-]{0,62}$"
_CODE = "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"

IdOrSlug = Annotated[str, Path(pattern=_SLUG, description="The business's id or slug.")]
ServiceKey = Annotated[str, Path(pattern=_CODE, description="The service's id or code.")]
ProviderKey = Annotated[str, Path(pattern=_CODE, description="The provider's id or code.")]


def names_something(key: str) -> bool:
    """Whether there can be anything of this id, slug or code: for who looks it up before the path is checked."""
    return re.fullmatch(_CODE, key) is not None
