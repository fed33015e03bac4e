"""Which stored customer an imported row means, by the rule of `db.repositories.customers`.

An import knows all its rows at once, so it can do two things that a single booking cannot. Two rows are never one
customer: a family with one phone stays as many people as it has rows. And of several who share a phone a row means
the one of its own name, before the one who has had it longest; without e-mail and phone it means one of its name
of whom neither is known. That way a second run of the same import finds just those whom the first one made.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from typing import Final

from api.transfer.shapes import CustomerRow
from db.repositories.rows import Row

OfRow = Callable[[CustomerRow], Hashable | None]
OfStored = Callable[[Row], Hashable | None]


def _phone_and_name(row: CustomerRow) -> Hashable | None:
    return (row.phone, row.name) if row.phone and not row.email else None


def _phone(known: Row) -> str | None:
    """The number by which a customer is found again; an account's is what its owner typed, and finds nobody."""
    return None if known["has_account"] else known["phone"]


def _nothing_but_name(row: CustomerRow) -> str | None:
    return None if row.phone or row.email else row.name


_RULES: Final[tuple[tuple[OfRow, OfStored], ...]] = (
    (lambda row: row.email, lambda known: known["email"]),
    (_phone_and_name, lambda known: (_phone(known), known["name"]) if _phone(known) else None),
    (lambda row: row.phone if row.email else None, lambda known: None if known["email"] else _phone(known)),
    (lambda row: None if row.email else row.phone, _phone),
    (_nothing_but_name, lambda known: None if known["email"] or known["phone"] else known["name"]),
)
"""The closest first: what a row and a stored customer must share for the one to be the other."""


def matches(rows: Sequence[CustomerRow], stored: Sequence[Row]) -> list[Row | None]:
    """For each row the stored customer that it speaks of; `stored` is given by age, the oldest first."""
    found: list[Row | None] = [None] * len(rows)
    taken = set()
    for of_row, of_stored in _RULES:
        free: defaultdict[Hashable, deque[Row]] = defaultdict(deque)
        for known in stored:
            if known["id"] not in taken:
                free[of_stored(known)].append(known)
        for place, row in enumerate(rows):
            key = of_row(row)
            same = None if key is None or found[place] is not None else free.get(key)
            if same:
                found[place] = known = same.popleft()
                taken.add(known["id"])
    return found


def each_once(rows: Sequence[CustomerRow]) -> list[CustomerRow]:
    """The rows without those that repeat another word for word; people of whom only a name is known may do so."""
    seen: dict[Hashable, CustomerRow] = {}
    for place, row in enumerate(rows):
        known = row.email or row.phone
        seen.setdefault(row.model_dump_json() if known else place, row)
    return list(seen.values())
