"""Time zones: from local dates and minutes to instants, including when clocks change.

One rule covers both changes: a time of day begins at the first instant at which a wall clock shows it or a later
time. So a time in the skipped hour begins when the skip ends, and a repeated time begins at its first occurrence.
All instants are whole seconds since 1970, UTC.
"""

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

# One zone database for every process on every machine: the pinned package, never the host's.
zoneinfo.reset_tzpath(())

MINUTES_A_DAY = 24 * 60
_MINUTE = 60
_UNSET = frozenset({"Factory", "localtime"})
"""Zones of the tz database that stand for unconfigured clocks."""


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every IANA zone of the pinned database."""
    return frozenset(zoneinfo.available_timezones())


def zone_named(name: str) -> ZoneInfo:
    """The zone of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in zone_names():
        raise ValueError(f"'{name}' is no IANA time zone, such as Europe/London")
    return ZoneInfo(name)


def selectable_zone(name: str) -> ZoneInfo:
    """The zone of this name, as a choice for somebody's clock.

    Raises:
        ValueError: there is none, or it is that of an unconfigured clock.
    """
    if name in _UNSET:
        raise ValueError(f"'{name}' is the zone of clocks that nobody has set; choose one such as Europe/London")
    return zone_named(name)


def epoch(moment: datetime) -> int:
    """The instant as whole seconds, rounded down."""
    return int(moment.timestamp() // 1)


def moment(instant: int) -> datetime:
    """The instant as a moment in UTC."""
    return datetime.fromtimestamp(instant, UTC)


def local_date(instant: int, zone: ZoneInfo) -> date:
    """The local date at the instant."""
    return datetime.fromtimestamp(instant, zone).date()


def begins(day: date, minute: int, zone: ZoneInfo) -> int:
    """The first instant at which a wall clock shows `minute` minutes after the midnight of `day`, or later."""
    before, after = _instants(day, minute, zone)
    if before <= after:  # an ordinary or a repeated time
        return before
    return _skip_ends(after, before, zone)


def readings(day: date, minute: int, zone: ZoneInfo) -> list[int]:
    """The instants at which a wall clock shows exactly this: one; two if repeated; none if skipped."""
    before, after = _instants(day, minute, zone)
    if before > after:
        return []
    return [before] if before == after else [before, after]


@lru_cache(maxsize=16_384)  # most opening hours share a few times of day
def _instants(day: date, minute: int, zone: ZoneInfo) -> tuple[int, int]:
    """The local time as an instant, by the offset before a clock change and by the offset after it."""
    wall = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
    before, after = (int(wall.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1))
    return before, after


def _skip_ends(low: int, high: int, zone: ZoneInfo) -> int:
    """The instant between the two at which the clock jumps ahead, by bisection."""
    ahead = _offset(high, zone)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(middle, zone) == ahead else (middle, high)
    return high


def _offset(instant: int, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(instant, zone).utcoffset()
