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
    history: tuple[int, ...]
    """With how many bookings in the table slots are asked for."""
    cold_starts: int
    months: int
    """How often a month of slots is asked for in one turn."""
    holds: int
    """Holds in one turn."""
    effects: int
    """Effects in one turn."""
    hang_seconds: float
    """How long a vendor hangs."""
    outage_seconds: float
    """How long a vendor is away."""

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
    history=(0, 1_000, 1_000_000),
    cold_starts=3,
    months=25,
    holds=400,
    effects=1_000,
    hang_seconds=60.0,
    outage_seconds=600.0,
)
QUICK = Effort(
    rounds=2,
    seconds=4.0,
    burst=500,
    burst_rounds=2,
    race_rounds=5,
    open_bookings=(1_000,),
    idle_seconds=4.0,
    history=(0, 1_000, 100_000),
    cold_starts=1,
    months=10,
    holds=200,
    effects=300,
    hang_seconds=15.0,
    outage_seconds=60.0,
)
