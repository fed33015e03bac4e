"""The lifecycle as the design states it, deliberately written down a second time.

The tests compare the code with these literals; nothing here may be computed from `domain`.
"""

from typing import Final

STATUSES: Final = (
    "pending",
    "assigned",
    "accepted",
    "in_progress",
    "completed",
    "rejected",
    "no_show",
    "cancelled",
)
ROLES: Final = ("customer", "provider", "owner", "admin", "system")

FOLLOWING: Final[dict[str, list[str]]] = {
    "pending": ["assigned", "cancelled"],
    "assigned": ["accepted", "rejected", "cancelled"],
    "accepted": ["in_progress", "cancelled"],
    "in_progress": ["completed", "no_show", "cancelled"],
    "rejected": ["assigned", "cancelled"],
    "no_show": ["assigned", "cancelled"],
    "completed": [],
    "cancelled": [],
}

COMMANDS: Final[dict[str, set[str]]] = {
    "pending": {"assign", "cancel", "reschedule"},
    "assigned": {"accept", "reject", "cancel", "reschedule"},
    "accepted": {"start", "cancel", "reschedule"},
    "in_progress": {"complete", "no-show", "cancel"},
    "rejected": {"assign", "cancel", "reschedule"},
    "no_show": {"assign", "cancel"},
    "completed": set(),
    "cancelled": set(),
}
"""Which commands a status takes. An override fits everywhere and is left out."""

LEADS_TO: Final = {
    "accept": "accepted",
    "reject": "rejected",
    "start": "in_progress",
    "complete": "completed",
    "no-show": "no_show",
    "cancel": "cancelled",
    "assign": "assigned",
}

GIVEN_BY: Final[dict[str, set[str]]] = {
    "accept": {"provider", "owner", "admin"},
    "reject": {"provider", "owner", "admin"},
    "start": {"provider", "owner", "admin"},
    "complete": {"provider", "owner", "admin"},
    "no-show": {"provider", "owner", "admin"},
    "cancel": {"customer", "owner", "admin"},
    "reschedule": {"customer", "owner", "admin"},
    "assign": {"owner", "admin"},
    "override": {"admin"},
}
