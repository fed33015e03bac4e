"""From a body to rows that can be stored, with all its problems. Needs no database.

A large body takes some seconds of CPU: do not call it in the event loop.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from api.businesses.policies import changed_policy
from api.services import ServiceIn
from api.transfer import sets
from api.transfer.problems import Problems
from api.transfer.reader import Members, Sent, read_csv, read_json
from api.transfer.shapes import (
    AreaRow,
    BusinessRow,
    CustomerRow,
    ExceptionRow,
    HoursRow,
    Numbered,
    ProviderRow,
    RowT,
    Section,
    Separator,
    TimeOffRow,
)

_MOST_POLICY_MEMBERS: Final = 50


@dataclass
class Plan:
    """What is to be stored. Services and providers have their codes."""

    business: BusinessRow | None
    services: list[Numbered[ServiceIn]]
    providers: list[Numbered[ProviderRow]]
    hours: list[Numbered[HoursRow]]
    exceptions: list[Numbered[ExceptionRow]]
    time_off: list[Numbered[TimeOffRow]]
    areas: list[Numbered[AreaRow]]
    customers: list[Numbered[CustomerRow]]
    sent: frozenset[Section] = frozenset()
    separator: Separator | None = None


def plan_import(body: bytes, section: Section | None, now: datetime) -> tuple[Plan, Problems]:
    """What a body asks for: a JSON document, or with `section` the CSV of one.

    Raises:
        ImportInvalidError: it has too many rows, or is no document at all.
    """
    problems = Problems()
    sent = read_json(body, problems) if section is None else read_csv(body, section, problems)
    plan = Plan(
        business=_business(sent.business, problems),
        services=_valid(sent, Section.SERVICES, ServiceIn, problems),
        providers=_valid(sent, Section.PROVIDERS, ProviderRow, problems),
        hours=_valid(sent, Section.HOURS, HoursRow, problems),
        exceptions=_valid(sent, Section.EXCEPTIONS, ExceptionRow, problems),
        time_off=_valid(sent, Section.TIME_OFF, TimeOffRow, problems),
        areas=_valid(sent, Section.AREAS, AreaRow, problems),
        customers=_valid(sent, Section.CUSTOMERS, CustomerRow, problems),
        sent=frozenset(sent.sections),
        separator=sent.separator,
    )
    _check_together(plan, now, problems)
    return plan, problems


def _check_together(plan: Plan, now: datetime, problems: Problems) -> None:
    sets.check_codes(Section.SERVICES, plan.services, problems)
    sets.check_codes(Section.PROVIDERS, plan.providers, problems)
    sets.check_hours(plan.hours, problems)
    sets.check_exceptions(plan.exceptions, problems)
    sets.check_areas(plan.areas, problems)
    sets.check_customers(plan.customers, now, problems)


def _valid(sent: Sent, section: Section, model: type[RowT], problems: Problems) -> list[Numbered[RowT]]:
    rows = []
    for number, members in sent.sections.get(section, {}).items():
        try:
            rows.append(Numbered(number, model.model_validate(members)))
        except ValidationError as error:
            problems.add_invalid(section, number, error, flat=sent.flat)
    return rows


def _business(members: Members | None, problems: Problems) -> BusinessRow | None:
    if members is None:
        return None
    try:
        row = BusinessRow.model_validate(members)
    except ValidationError as error:
        problems.add_invalid("business", 0, error)
        return None
    if "policy" in row.model_fields_set:
        _check_policy(row.policy, problems)
    return row


def _check_policy(policy: dict[str, Any], problems: Problems) -> None:
    parts = [policy, *(part for part in policy.values() if isinstance(part, dict))]
    if any(len(part) > _MOST_POLICY_MEMBERS for part in parts):
        problems.add("business", 0, "has more members than any policy can have", ("policy",))
        return
    try:
        changed_policy({}, policy)
    except RequestValidationError as error:
        for found in error.errors():
            problems.add("business", 0, found["msg"], found["loc"][1:])
