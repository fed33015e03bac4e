"""The size of a benchmark run: longer runs give more reliable figures."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Workload:
    rounds: int
    """Alternating rounds of baseline and Holdfast in a paced measurement."""
    seconds: float
    """Duration of one paced round."""
    burst: int
    """Bookings in one burst."""
    burst_rounds: int
    race_rounds: int
    open_bookings: tuple[int, ...]
    """Numbers of open bookings at which memory and idle CPU are read."""
    idle_seconds: float
    table_sizes: tuple[int, ...]
    """Numbers of bookings in the table at which slot requests are timed."""
    cold_starts: int
    month_requests: int
    """Requests for a month of slots in one round."""
    holds: int
    """Holds in one round."""
    effects: int
    """Effects in one round."""
    hang_seconds: float
    """Duration of a vendor's hang."""
    outage_seconds: float
    """Duration of a vendor's outage."""
    listeners: tuple[int, ...]
    """Numbers of clients that listen to events."""

    def operations_at(self, rate: float) -> int:
        """The number of operations in one round at this rate per second."""
        return int(rate * self.seconds)


FULL = Workload(
    rounds=4,
    seconds=5.0,
    burst=2000,
    burst_rounds=2,
    race_rounds=20,
    open_bookings=(1_000, 10_000),
    idle_seconds=10.0,
    table_sizes=(0, 1_000, 1_000_000),
    cold_starts=3,
    month_requests=25,
    holds=400,
    effects=1_000,
    hang_seconds=60.0,
    outage_seconds=600.0,
    listeners=(1, 100, 1_000),
)
QUICK = Workload(
    rounds=2,
    seconds=4.0,
    burst=500,
    burst_rounds=2,
    race_rounds=5,
    open_bookings=(1_000,),
    idle_seconds=4.0,
    table_sizes=(0, 1_000, 100_000),
    cold_starts=1,
    month_requests=10,
    holds=200,
    effects=300,
    hang_seconds=15.0,
    outage_seconds=60.0,
    listeners=(1, 10, 100),
)
