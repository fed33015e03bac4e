"""Whether the sender of a business's e-mails can deliver to an address at all."""

from typing import Any, Final
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import integrations
from domain.effects import CONSOLE, Port, Vendor
from domain.mail_addresses import needs_quotes, needs_utf8, why_not_carried
from runtime.settings import Settings

_BODY: Final = ("body", "email")


async def require_carried(
    conn: AsyncConnection,
    settings: Settings,
    business_id: UUID,
    address: str | None,
    *,
    at: tuple[Any, ...] = _BODY,
) -> None:
    """Refuse an address to which every e-mail of this business would fail; `at` is its place in the request.

    Raises:
        RequestValidationError: with the reason.
    """
    if address is None or not (needs_utf8(address) or needs_quotes(address)):
        return
    own = await integrations.open_one(conn, business_id, Port.EMAIL)
    if own is None:
        require_carried_by_installation(settings, address, at=at)
        return
    _require(why_not_carried(address, own["vendor"], has_utf8=bool(own["settings"].get("smtputf8"))), at)


def require_carried_by_installation(settings: Settings, address: str, *, at: tuple[Any, ...] = _BODY) -> None:
    """The same for the installation's own mail server, which sends messages about accounts."""
    sender = Vendor.SMTP if settings.smtp_url else CONSOLE
    _require(why_not_carried(address, sender, has_utf8=settings.smtp_utf8), at)


def _require(refused: str | None, at: tuple[Any, ...]) -> None:
    if refused is not None:
        raise RequestValidationError([{"type": "value_error", "loc": at, "msg": refused}])
