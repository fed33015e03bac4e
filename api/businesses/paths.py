"""How paths name a business and what belongs to it."""

from typing import Annotated

from fastapi import Path
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import catalogue
from db.repositories.rows import Row
from domain.errors import NotFoundError

_SLUG = "^[A-Za-z0-9][A-Za-z0-9-]{0,62}$"
_CODE = "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"

IdOrSlug = Annotated[str, Path(pattern=_SLUG, description="The business's id or slug.")]
ServiceKey = Annotated[str, Path(pattern=_CODE, description="The service's id or code.")]
ProviderKey = Annotated[str, Path(pattern=_CODE, description="The provider's id or code.")]


async def found_business(conn: AsyncConnection, id_or_slug: str) -> Row:
    """The business with the columns of `catalogue.find_business`.

    Raises:
        NotFoundError: there is none of this id or slug.
    """
    row = await catalogue.find_business(conn, id_or_slug)
    if row is None:
        raise NotFoundError(f"There is no business '{id_or_slug}'.")
    return row
