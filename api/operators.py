"""`python -m api businesses list|approve|withdraw|found`: commands for operators.

An approved business sends its own texts by the installation's mail server (`domain.installation_mail`).
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import structlog
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from api.businesses.creation import create_business
from api.businesses.schemas import BusinessIn
from db.engine import create_engine
from db.repositories import businesses, event_emission, users
from db.repositories.event_emission import BusinessEvent
from db.repositories.rows import Row
from domain.booking import SYSTEM
from domain.errors import HoldfastError, NotFoundError
from runtime.settings import Settings

_log = structlog.get_logger()

Args = argparse.Namespace


def main(argv: list[str], settings: Settings) -> int:
    """Run one command; 0 when it was done, 1 with one line on stderr when it was not."""
    args = _parser().parse_args(argv)
    try:
        asyncio.run(_run(args, settings))
    except HoldfastError as error:
        return _failed(args, str(error) or error.title)
    except (ValidationError, RequestValidationError) as error:
        return _failed(args, "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()))
    except (SQLAlchemyError, OSError) as error:
        return _failed(args, type(error).__name__)
    return 0


def _failed(args: Args, reason: str) -> int:
    sys.stderr.write(f"businesses {args.command}: {reason}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api businesses", description="Businesses, for operators.")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="all businesses, or those that nobody has approved yet")
    listing.add_argument("--waiting", action="store_true", help="only those that are not approved")
    for name, does in (
        ("approve", "let it send its own words by the installation's mail server"),
        ("withdraw", "let it send ours alone"),
    ):
        commands.add_parser(name, help=does).add_argument("business", metavar="SLUG")
    founding = commands.add_parser("found", help="found a business, approved, for somebody with an account")
    founding.add_argument("--owner", required=True, metavar="E-MAIL")
    for name in ("name", "timezone", "currency"):
        founding.add_argument(f"--{name}", required=True)
    for name in ("slug", "locale"):
        founding.add_argument(f"--{name}")
    return parser


async def _run(args: Args, settings: Settings) -> None:
    engine = create_engine(settings, application_name="operator")
    try:
        async with engine.begin() as conn:
            await _COMMANDS[args.command](conn, args)
    finally:
        await engine.dispose()


async def _list(conn: AsyncConnection, args: Args) -> None:
    for row in await businesses.list_for_operators(conn, only_waiting=args.waiting):
        _say(row, f"approved {row['approved_at']:%Y-%m-%d}" if row["approved_at"] else "waiting")


async def _approve(conn: AsyncConnection, args: Args) -> None:
    await _set_approved(conn, args.business, is_approved=True)


async def _withdraw(conn: AsyncConnection, args: Args) -> None:
    await _set_approved(conn, args.business, is_approved=False)


async def _set_approved(conn: AsyncConnection, slug: str, *, is_approved: bool) -> None:
    row = await businesses.find(conn, slug)
    if row is None:
        raise NotFoundError(f"There is no business '{slug}'.")
    await businesses.set_approved(conn, row["id"], is_approved=is_approved)
    await _announce(conn, row["id"], "business.business.changed")
    word = "approved" if is_approved else "withdrawn"
    _log.info(f"business_{word}", business_id=str(row["id"]))
    _say(row, word)


async def _found(conn: AsyncConnection, args: Args) -> None:
    owner = await users.find_credentials(conn, args.owner)
    if owner is None:
        raise NotFoundError("Nobody has an account with this address.")
    given = {name: getattr(args, name) for name in ("name", "timezone", "currency", "slug", "locale")}
    body = BusinessIn.model_validate({name: value for name, value in given.items() if value is not None})
    row = await create_business(conn, body, owner.user_id)
    await _announce(conn, row["id"], "business.business.created")
    await _set_approved(conn, row["slug"], is_approved=True)


async def _announce(conn: AsyncConnection, business_id: UUID, type_: str) -> None:
    event = BusinessEvent(type_, str(business_id), {"businessId": business_id})
    await event_emission.emit(conn, business_id, [event], actor=SYSTEM, correlation_id=None)


def _say(row: Row, word: str) -> None:
    sys.stdout.write(f"{row['slug']}\t{row['id']}\t{word}\n")


_COMMANDS: Final[Mapping[str, Callable[[AsyncConnection, Any], Awaitable[None]]]] = MappingProxyType(
    {"list": _list, "approve": _approve, "withdraw": _withdraw, "found": _found}
)
