"""Wall clocks: from a local date and minute to the instant, also where a clock is put forward or back.

One rule for both, that of the wall itself: a time of day begins at the first instant at which the clock reads it
or anything later. So what falls into the hour that a clock skips begins when the skip ends, and what exists twice
begins the first time. All instants are whole seconds since 1970, UTC.
"""

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

# One zone database for every process on every machine: the pinned package, never whatever the host carries.
zoneinfo.reset_tzpath(())

MINUTES_A_DAY = 24 * 60
_MINUTE = 60
_UNSET = frozenset({"Factory", "localtime"})
"""What the tz database has for clocks as they leave the factory, and what a machine calls its own."""


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
    """The zone of this name, for somebody who chooses one.

    Raises:
        ValueError: there is none, or it is that of clocks which nobody has set.
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
    """The date that a calendar on the wall shows at the instant."""
    return datetime.fromtimestamp(instant, zone).date()


def begins(day: date, minute: int, zone: ZoneInfo) -> int:
    """The first instant at which the clock reads `minute` minutes after the midnight of `day`, or later."""
    before, after = _instants(day, minute, zone)
    if before <= after:  # an ordinary time, or one that comes twice: the first of them
        return before
    return _skip_ends(after, before, zone)


def readings(day: date, minute: int, zone: ZoneInfo) -> list[int]:
    """The instants at which the clock reads just this: one; two where it comes twice; none where it is skipped."""
    before, after = _instants(day, minute, zone)
    if before > after:
        return []
    return [before] if before == after else [before, after]


@lru_cache(maxsize=16_384)  # everybody opens and closes at the same few times of the same days
def _instants(day: date, minute: int, zone: ZoneInfo) -> tuple[int, int]:
    """The reading taken as the clock goes before a change, and as it goes after it."""
    wall = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
    before, after = (int(wall.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1))
    return before, after


def _skip_ends(low: int, high: int, zone: ZoneInfo) -> int:
    """The instant between the two at which the clock jumps ahead, found by halving."""
    ahead = _offset(high, zone)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(middle, zone) == ahead else (middle, high)
    return high


def _offset(instant: int, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(instant, zone).utcoffset()
