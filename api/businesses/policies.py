"""Changing a policy member by member, as RFC 7396 merges JSON."""

from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from domain.policies import Policy

Document = Mapping[str, Any]


def changed_policy(stored: Document, change: Document) -> dict[str, Any]:
    """What to store: the members that are set. Those that are not, or set to null, have their defaults.

    Raises:
        RequestValidationError: the outcome is no policy; it points at what is wrong.
    """
    try:
        policy = Policy.model_validate(_merged(Policy, stored, change))
    except ValidationError as error:
        found = [dict(one) | {"loc": ("body", "policy", *one["loc"])} for one in error.errors(include_input=False)]
        raise RequestValidationError(found) from error
    return stored_form(policy)


def stored_form(policy: Policy) -> dict[str, Any]:
    """The members that somebody set, as JSON: the others follow the defaults, also when these change."""
    return policy.model_dump(mode="json", exclude_unset=True)


def _merged(shape: type[BaseModel], stored: Document, change: Document) -> dict[str, Any]:
    """Along the shape, so no deeper than it; a null for something unknown stays, to be refused with the rest."""
    merged = dict(stored)
    for name, value in change.items():
        field = shape.model_fields.get(name)
        inner = field.annotation if field else None
        if field is not None and value is None:
            merged.pop(name, None)
        elif isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, BaseModel):
            merged[name] = _merged(inner, merged.get(name) or {}, value)
        else:
            merged[name] = value
    return merged
