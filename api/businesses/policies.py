"""Changing a policy member by member (JSON Merge Patch, RFC 7396)."""

from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from domain.policies import Policy

Document = Mapping[str, Any]


def changed_policy(stored: Document, change: Document) -> dict[str, Any]:
    """The policy to store: the members that are set. Others, and those set to null, have their defaults.

    Raises:
        RequestValidationError: the result is not a valid policy; it points at the member.
    """
    try:
        policy = Policy.model_validate(_merged(Policy, stored, change))
    except ValidationError as error:
        found = [dict(one) | {"loc": ("body", "policy", *one["loc"])} for one in error.errors(include_input=False)]
        raise RequestValidationError(found) from error
    return stored_form(policy)


def stored_form(policy: Policy) -> dict[str, Any]:
    """The members that were set, as JSON. The others follow the defaults, even if these change."""
    return policy.model_dump(mode="json", exclude_unset=True)


def _merged(shape: type[BaseModel], stored: Document, change: Document) -> dict[str, Any]:
    """Merge along the shape, no deeper. A null for an unknown member stays, and is refused with the rest."""
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
