"""Rules for rows together: each may be valid by itself and still conflict with others."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence, Set
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from annotated_types import MaxLen
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from api.providers import ProviderIn
from api.schedule.areas import AreasIn
from api.schedule.exceptions import ExceptionIn
from api.schedule.hours import HoursIn
from api.services import ServiceIn
from api.slugs import key_for
from api.transfer.problems import Problems
from api.transfer.shapes import (
    AreaRow,
    CustomerRow,
    ExceptionRow,
    HoursRow,
    Numbered,
    RowT,
    Section,
    WithOwner,
)
from domain.hours import ExceptionKind, Weekly, first_overlap, overlap_in_week

PlaceT = TypeVar("PlaceT")


def _most(model: type[BaseModel], member: str) -> int:
    """How many the API takes of something, so that an import takes no more."""
    return next(rule.max_length for rule in model.model_fields[member].metadata if isinstance(rule, MaxLen))


_MOST_HOURS: Final = _most(HoursIn, "weekly")
_MOST_INTERVALS: Final = _most(ExceptionIn, "intervals")
_MOST_AREAS: Final = _most(AreasIn, "areas")

Rows = Sequence[Numbered[RowT]]


def check_codes(section: Section, rows: Rows[ServiceIn] | Rows[ProviderIn], problems: Problems) -> None:
    """Give each row its code, made from the name where it has none; no two have the same."""
    first: dict[str, int] = {}
    for one in rows:
        try:
            code = key_for("code", one.row.code, one.row.name)
        except RequestValidationError as error:
            problems.add(section, one.number, error.errors()[0]["msg"], ("code",))
            continue
        one.row.code = code
        if first.setdefault(code, one.number) != one.number:
            problems.add(section, one.number, f"row {first[code]} has this code too", ("code",))


def check_owners(section: Section, rows: Rows[Any], known: Set[str], problems: Problems) -> None:
    """The providers whose rows these are exist, or come with the import."""
    for one in rows:
        owner: WithOwner = one.row
        if owner.provider is not None and owner.provider not in known:
            message = "no provider has this code, neither in the import nor in the business"
            problems.add(section, one.number, message, ("provider",))


def check_hours(rows: Rows[HoursRow], problems: Problems) -> None:
    """No two hours of one owner share a minute of the week."""
    for mine in _grouped(rows, lambda row: row.provider):
        if not _too_many(Section.HOURS, mine, _MOST_HOURS, problems):
            _Overlaps(Section.HOURS, overlap_in_week, problems).note(
                [(Weekly(one.row.day.number, *one.row.minutes()), one.number) for one in mine]
            )


def check_exceptions(rows: Rows[ExceptionRow], problems: Problems) -> None:
    """The rows of one date are the intervals of one exception; a day of every year is written once."""
    for same_day in _grouped(rows, lambda row: (row.provider, row.date)):
        if _is_one(same_day, problems) and not _too_many(Section.EXCEPTIONS, same_day, _MOST_INTERVALS, problems):
            intervals = [(minutes, one.number) for one in same_day if (minutes := one.row.minutes()) is not None]
            _Overlaps(Section.EXCEPTIONS, first_overlap, problems).note(intervals)
    yearly = [one for one in rows if one.row.yearly]
    for same in _grouped(yearly, lambda row: (row.provider, row.date.month, row.date.day)):
        for one in same:
            if one.row.date != same[0].row.date:
                message = f"row {same[0].number} speaks of this day of every year"
                problems.add(Section.EXCEPTIONS, one.number, message, ("date",))


def check_areas(rows: Rows[AreaRow], problems: Problems) -> None:
    """An owner has no more areas than the API takes."""
    for mine in _grouped(rows, lambda row: row.provider):
        _too_many(Section.AREAS, mine, _MOST_AREAS, problems)


def check_customers(rows: Rows[CustomerRow], now: datetime, problems: Problems) -> None:
    """An e-mail is one customer's; nobody has agreed to anything in the future."""
    first: dict[str, int] = {}
    for one in rows:
        email = one.row.email
        if email is not None and first.setdefault(email, one.number) != one.number:
            problems.add(Section.CUSTOMERS, one.number, f"row {first[email]} has this e-mail too", ("email",))
        for place, consent in enumerate(one.row.consents):
            if consent.given_at is not None and consent.given_at > now:
                where = ("consents", place, "given_at")
                problems.add(Section.CUSTOMERS, one.number, "lies in the future", where)


class _Overlaps(Generic[PlaceT]):
    """Finds rows that overlap with an earlier one."""

    def __init__(
        self,
        section: Section,
        find: Callable[[Sequence[PlaceT]], tuple[PlaceT, PlaceT] | None],
        problems: Problems,
    ) -> None:
        self._section = section
        self._find = find
        self._problems = problems

    def note(self, placed: Iterable[tuple[PlaceT, int]]) -> None:
        """Note the later of each two; what is noted is left out from there on."""
        left = list(placed)
        while (pair := self._find([place for place, _ in left])) is not None:
            one = next(row for row in left if row[0] == pair[0])
            other = next(row for row in left if row[0] == pair[1] and row is not one)
            earlier, later = sorted((one, other), key=lambda row: row[1])
            self._problems.add(self._section, later[1], f"overlaps row {earlier[1]}")
            left.remove(later)


def _grouped(rows: Rows[RowT], key: Callable[[RowT], Hashable]) -> Iterable[list[Numbered[RowT]]]:
    groups: defaultdict[Hashable, list[Numbered[RowT]]] = defaultdict(list)
    for one in rows:
        groups[key(one.row)].append(one)
    return groups.values()


def _too_many(section: Section, rows: Rows[RowT], most: int, problems: Problems) -> bool:
    if len(rows) > most:
        problems.add(section, rows[most].number, f"there may be {most} of these at most")
    return len(rows) > most


def _is_one(same_day: Rows[ExceptionRow], problems: Problems) -> bool:
    first, fine = same_day[0], True
    for one in same_day[1:]:
        message = f"row {first.number} speaks of this date"
        if _terms(one.row) != _terms(first.row):
            message += " with another kind, name or yearly"
        elif one.row.kind is not ExceptionKind.CLOSED:
            continue
        problems.add(Section.EXCEPTIONS, one.number, message, ("date",))
        fine = False
    return fine


def _terms(row: ExceptionRow) -> tuple[object, ...]:
    return (row.kind, row.name, row.yearly)
