"""How long a run takes, and so how far its figures can be trusted."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    rounds: int
    """How often floor and Holdfast take turns in a paced phase."""
    seconds: float
    """How long one turn lasts."""
    burst: int
    """Bookings in one burst."""
    burst_rounds: int
    race_rounds: int
    open_bookings: tuple[int, ...]
    """At how many open bookings memory and idle CPU are read."""
    idle_seconds: float

    def paced(self, rate: float) -> int:
        """How many operations one turn at this rate has."""
        return int(rate * self.seconds)


FULL = Effort(
    rounds=4,
    seconds=5.0,
    burst=2000,
    burst_rounds=2,
    race_rounds=20,
    open_bookings=(1_000, 10_000),
    idle_seconds=10.0,
)
QUICK = Effort(
    rounds=2,
    seconds=4.0,
    burst=500,
    burst_rounds=2,
    race_rounds=5,
    open_bookings=(1_000,),
    idle_seconds=4.0,
)
