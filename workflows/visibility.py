"""What an admin sees of a booking in the Temporal UI: search attributes and current details. Ids only."""

from datetime import datetime
from typing import Any

from temporalio.common import SearchAttributeKey, SearchAttributePair, SearchAttributeUpdate, TypedSearchAttributes

from domain import names, timeline
from domain.booking import BookingState
from domain.lifecycle import UNASSIGNED

_TENANT = SearchAttributeKey.for_keyword(names.TENANT_ID)
_REFERENCE = SearchAttributeKey.for_keyword(names.BOOKING_REFERENCE)
_STATUS = SearchAttributeKey.for_keyword(names.BOOKING_STATUS)
_PROVIDER = SearchAttributeKey.for_keyword(names.PROVIDER_ID)
_STARTS_AT = SearchAttributeKey.for_datetime(names.STARTS_AT)
_ATTENTION = SearchAttributeKey.for_bool(names.NEEDS_ATTENTION)


def _values(state: BookingState) -> dict[SearchAttributeKey[Any], Any]:
    return {
        _TENANT: str(state.business_id),
        _REFERENCE: state.reference,
        _STATUS: str(state.status),
        _PROVIDER: str(state.provider_id) if state.provider_id else None,
        _STARTS_AT: state.starts_at,
        _ATTENTION: state.needs_attention,
    }


def search_attributes(state: BookingState) -> TypedSearchAttributes:
    """The attributes that a workflow starts with."""
    pairs = [SearchAttributePair(key, value) for key, value in _values(state).items() if value is not None]
    return TypedSearchAttributes(pairs)


def tenant_attribute(business_id: object) -> TypedSearchAttributes:
    """The only attribute that is known before the booking has been read."""
    return TypedSearchAttributes([SearchAttributePair(_TENANT, str(business_id))])


def changed_attributes(before: BookingState | None, after: BookingState) -> list[SearchAttributeUpdate[Any]]:
    """The updates that bring the attributes from one state to the next.

    The reference alone makes no update: histories from before it was part of the state have none.
    """
    old = _values(before) if before else {}
    changed = {key: value for key, value in _values(after).items() if old.get(key) != value}
    if after.reference is None:  # a state from before it had one; a booking's reference never changes
        changed.pop(_REFERENCE, None)
    if changed.keys() <= {_REFERENCE}:
        return []
    return [key.value_unset() if value is None else key.value_set(value) for key, value in changed.items()]


def details(state: BookingState) -> str:
    """The booking in a few lines of Markdown: where it stands, what comes next and who refused."""
    lines = [
        f"**{state.status}** since {_moment(state.phase_since)} (step {state.version})",
        *([f"- reference: {state.reference}"] if state.reference else []),
        f"- appointment: {_moment(state.starts_at)} to {_moment(state.ends_at)}",
        f"- provider: {state.provider_id or 'none'}",
        f"- phase: {timeline.phase(state)}",
    ]
    if state.attempt:
        lines.append(f"- attempt {state.attempt} of {state.policy.backoff.attempts}")
    if (deadline := timeline.deadline(state)) is not None:
        lines.append(f"- next: {deadline.kind} at {_moment(deadline.at)}")
    lines += [f"- reminder {r.minutes_before} min before, at {_moment(r.at)}" for r in timeline.reminders(state)]
    lines += [f"- refused: {provider_id}" for provider_id in state.refused_provider_ids]
    if state.needs_attention:
        remedy = "assign a provider, move it" if state.status in UNASSIGNED else "look into it"
        lines.append(f"- **needs attention**: {remedy}, or override its status")
    return "\n".join(lines)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S %Z}"
