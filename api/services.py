"""`/v1/businesses/{business}/services`: what can be booked."""

from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.access import BusinessDep, CallerDep, needs
from api.answers import changed, created, invalid
from api.caching import RequiredIfMatchDep
from api.deps import AppStateDep
from api.paths import ServiceKey
from api.shapes import ABSENT, CurrencyCode, Flag, In, Line, Money, Skills, Text
from api.slugs import OwnCode, key_for
from api.writes import OnceWriterDep, WriterDep
from db.engine import autocommit
from db.repositories import services
from db.repositories.rows import Row
from domain.access import Permission, may, require_membership
from domain.errors import AlreadyExistsError, NotFoundError
from domain.payments import Collect, PaymentMode
from runtime.ids import new_id

Description = Annotated[Text, Field(max_length=2000)]
Duration = Annotated[int, Field(strict=True, ge=1, le=7 * 24 * 60)]
Buffer = Annotated[int, Field(strict=True, ge=0, le=24 * 60)]
Capacity = Annotated[
    int, Field(strict=True, ge=1, le=1000, description="Seats; more than one makes it a group session.")
]
SlotStep = Annotated[int, Field(strict=True, ge=1, le=24 * 60)]
Notice = Annotated[
    int, Field(strict=True, ge=0, le=365 * 24 * 60, description="It is booked at least so long before.")
]
Horizon = Annotated[int, Field(strict=True, ge=1, le=3650)]
Deposit = Annotated[int, Field(strict=True, ge=1, le=2_000_000_000, description="In the currency's minor unit.")]
DailyLimit = Annotated[int, Field(strict=True, ge=1, le=10_000)]


def _whole(value: Any) -> Any:
    # By default Pydantic reads 35.00 as 35: a price a hundred times too low.
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("a whole number of the currency's minor unit: 3500 for 35.00")  # noqa: TRY004 - a shape's
    return value


class PriceIn(In):
    amount_minor: Annotated[int, Field(strict=True, ge=0, le=2_000_000_000), BeforeValidator(_whole)]
    currency: CurrencyCode | None = None
    """None: the business's for a new service, the same as before for another."""


def deposit_problem(mode: PaymentMode, deposit: int | None, price: int) -> str | None:
    """The problem with a deposit, if there is one."""
    if (mode is PaymentMode.DEPOSIT) != (deposit is not None):
        return "deposit_minor: goes with payment_mode deposit, and with no other"
    return "deposit_minor: is more than the price" if deposit is not None and deposit > price else None


class ServiceIn(In):
    code: OwnCode | None = None
    """None: made from the name."""
    name: Line
    description: Description = ""
    duration_minutes: Duration
    buffer_before_minutes: Buffer = 0
    buffer_after_minutes: Buffer = 0
    price: PriceIn
    capacity: Capacity = 1
    slot_step_minutes: SlotStep = 15
    min_notice_minutes: Notice = 0
    horizon_days: Horizon | None = 365
    daily_limit: DailyLimit | None = None
    required_skills: Skills = Field(default_factory=list)
    payment_mode: PaymentMode = PaymentMode.NONE
    """What of the price is paid through Holdfast; more than nothing needs a payment gateway when it is booked."""
    payment_at: Collect = Collect.BOOKING
    """When it is captured: once somebody has accepted, or at the end."""
    deposit_minor: Deposit | None = None
    """Of a `deposit`, and of nothing else."""
    active: Flag = True

    @model_validator(mode="after")
    def _deposit_fits(self) -> Self:
        if (wrong := deposit_problem(self.payment_mode, self.deposit_minor, self.price.amount_minor)) is not None:
            raise ValueError(wrong)
        return self


class ServiceChange(In):
    code: OwnCode = ABSENT
    name: Line = ABSENT
    description: Description = ABSENT
    duration_minutes: Duration = ABSENT
    buffer_before_minutes: Buffer = ABSENT
    buffer_after_minutes: Buffer = ABSENT
    price: PriceIn = ABSENT
    capacity: Capacity = ABSENT
    slot_step_minutes: SlotStep = ABSENT
    min_notice_minutes: Notice = ABSENT
    horizon_days: Horizon | None = ABSENT
    daily_limit: DailyLimit | None = ABSENT
    required_skills: Skills = ABSENT
    payment_mode: PaymentMode = ABSENT
    payment_at: Collect = ABSENT
    deposit_minor: Deposit | None = ABSENT
    """Another mode than `deposit` forgets it."""
    active: Flag = ABSENT


class ServiceOut(BaseModel):
    id: UUID
    code: str
    name: str
    description: str
    duration_minutes: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    price: Money
    capacity: int
    slot_step_minutes: int
    """Appointments start at opening, and every so many minutes after it."""
    min_notice_minutes: int
    horizon_days: int | None
    """How far ahead it can be booked; null: however far."""
    daily_limit: int | None
    """Bookings that one local day takes; null: as many as there is time for."""
    required_skills: list[str]
    payment_mode: PaymentMode
    payment_at: Collect
    deposit_minor: int | None
    """In the currency's minor unit."""
    active: bool

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of `services`."""
        price = Money(amount_minor=row["price_minor"], currency=row["currency"])
        return cls(price=price, **{name: row[name] for name in cls.model_fields if name != "price"})


class Services(BaseModel):
    items: list[ServiceOut]


def columns(sent: dict[str, Any], currency: str) -> dict[str, Any]:
    """The sent values by column; `currency` is the default of a price without one."""
    values = dict(sent)
    price = values.pop("price", None)
    if price is not None:
        values["price_minor"] = price["amount_minor"]
        values["currency"] = price.get("currency") or currency
    return values


router = APIRouter(prefix="/v1/businesses/{business}/services", tags=["services"])

All = Annotated[bool, Query(alias="all", description="Also those that are not active; for owner and admin.")]


@router.post(
    "",
    operation_id="createService",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    status_code=201,
    response_model=ServiceOut,
)
async def create(business: BusinessDep, body: ServiceIn, write: OnceWriterDep) -> Response:
    """Add a service.

    Its code is what tells services apart, so the same request again adds no second one: under the same
    Idempotency-Key it is answered alike, else with 409 `already_exists` and the `id` of the one that is there.
    """

    async def make(conn: AsyncConnection) -> Response:
        code = key_for("code", body.code, body.name)
        values = columns(body.model_dump() | {"code": code}, business["currency"])
        row = await services.create(conn, business["id"], new_id(), values)
        if row is None:
            raise await _code_taken(conn, business, code)
        write.set_object_id(row["id"])
        write.announce("business.service.created", row["id"], serviceId=row["id"])
        return created(_shown(row), f"/v1/businesses/{business['id']}/services/{row['id']}")

    return await write.once(body, make)


@router.get("", operation_id="listServices", dependencies=[needs(Permission.BROWSE)], response_model=Services)
async def list_services(
    business: BusinessDep, request: Request, app: AppStateDep, caller: CallerDep, *, all_: All = False
) -> Response:
    """What can be booked, by code."""
    if all_:
        require_membership(caller, Permission.MANAGE_BUSINESS, business["id"])
    async with autocommit(app.engine) as conn:
        rows = await services.list_all(conn, business["id"], inactive=all_)
    shown = {"items": [_shown(row) for row in rows]}
    return caching.cached(request, shown, caching.PRIVATE if all_ else caching.CATALOGUE)


@router.get(
    "/{service}", operation_id="getService", dependencies=[needs(Permission.BROWSE)], response_model=ServiceOut
)
async def get(
    business: BusinessDep, service: ServiceKey, request: Request, app: AppStateDep, caller: CallerDep
) -> Response:
    """One service. One that is not active exists for owner and admin alone."""
    async with autocommit(app.engine) as conn:
        row = await services.find(conn, business["id"], service)
    public = row is not None and row["active"]
    if row is None or not (public or may(caller, Permission.MANAGE_BUSINESS, business["id"])):
        raise _missing(service)
    return caching.cached(request, _shown(row), caching.CATALOGUE if public else caching.PRIVATE)


@router.patch(
    "/{service}",
    operation_id="changeService",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=ServiceOut,
)
async def change(
    business: BusinessDep, service: ServiceKey, body: ServiceChange, expected: RequiredIfMatchDep, write: WriterDep
) -> Response:
    """Change what is sent, for bookings made from now on; `If-Match` names the tag of the service."""
    async with write.begin() as conn:
        stored = await services.lock(conn, business["id"], service)
        if stored is None:
            raise _missing(service)
        write.set_object_id(stored["id"])
        expected.check(_shown(stored))
        changes = columns(body.model_dump(exclude_unset=True), stored["currency"])
        row = await services.update(conn, business["id"], _merged(stored, changes))
        write.announce("business.service.changed", row["id"], serviceId=row["id"])
    return changed(_shown(row))


def _merged(stored: Row, changes: dict[str, Any]) -> dict[str, Any]:
    """The row after the change; another mode drops the deposit."""
    merged = {**stored, **changes}
    if merged["payment_mode"] != PaymentMode.DEPOSIT and "deposit_minor" not in changes:
        merged["deposit_minor"] = None
    mode = PaymentMode(merged["payment_mode"])
    if (wrong := deposit_problem(mode, merged["deposit_minor"], merged["price_minor"])) is not None:
        raise invalid("deposit_minor", wrong.partition(": ")[2])
    return merged


def _missing(service: str) -> NotFoundError:
    return NotFoundError(f"There is no service '{service}'.")


async def _code_taken(conn: AsyncConnection, business: Row, code: str) -> AlreadyExistsError:
    row = await services.find(conn, business["id"], code)
    extra = {} if row is None else {"id": str(row["id"])}
    return AlreadyExistsError(f"There is a service '{code}' already.", **extra)


def _shown(row: Row) -> dict[str, Any]:
    return ServiceOut.of(row).model_dump(mode="json")
