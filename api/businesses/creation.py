"""Creating a business, by the API or by an operator."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from api.businesses.policies import stored_form
from api.businesses.schemas import BusinessIn
from api.slugs import key_for
from db.repositories import businesses, members
from db.repositories.rows import Row
from domain.errors import AlreadyExistsError, UnauthenticatedError
from domain.lifecycle import Role
from runtime.ids import new_id
from runtime.json import to_json_text


async def create_business(conn: AsyncConnection, body: BusinessIn, user_id: UUID) -> Row:
    """Create a business in `setup` that this user owns.

    Raises:
        AlreadyExistsError: its slug is taken; the owner of that business is told its id.
        UnauthenticatedError: the user's account is closed.
    """
    values = body.model_dump(exclude={"policy"})
    values["slug"] = slug = key_for("slug", body.slug, body.name)
    values["policy"] = to_json_text(stored_form(body.policy))
    row = await businesses.create(conn, new_id(), values)
    if row is None:
        raise await _slug_taken(conn, slug, user_id)
    if await members.add(conn, row["id"], user_id, Role.OWNER) is None:
        raise UnauthenticatedError("This account is closed.")
    return row


async def _slug_taken(conn: AsyncConnection, slug: str, user_id: UUID) -> AlreadyExistsError:
    """Only the owner is told which business it is."""
    detail = f"There is a business '{slug}' already."
    row = await businesses.find(conn, slug)
    if row is None or await members.find(conn, row["id"], user_id, Role.OWNER) is None:
        return AlreadyExistsError(detail)
    return AlreadyExistsError(detail, id=str(row["id"]))
