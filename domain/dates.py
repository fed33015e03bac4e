"""Dates and times in English, German, Spanish and Japanese; ISO 8601 in any other language.

The patterns are from the Unicode CLDR (https://cldr.unicode.org): full dates and short times.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

_MONTHS: Final = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
}
_WEEKDAYS: Final = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    "es": "lunes martes miércoles jueves viernes sábado domingo",
    "ja": "月曜日 火曜日 水曜日 木曜日 金曜日 土曜日 日曜日",
}
_MONTH_FIRST: Final = frozenset({"", "US", "CA", "PH"})
"""English-speaking regions with the month first and the 12-hour clock."""


@dataclass(frozen=True, slots=True)
class DateFormat:
    """A language's format of dates and times."""

    date: Callable[[date], str]
    time: Callable[[time], str]
    both: str
    """With the placeholders `{date}` and `{time}`."""

    def moment(self, local: datetime) -> str:
        """A date with its time of day, as `Friday, March 5, 2027 at 2:30 PM`."""
        return self.both.format(date=self.date(local.date()), time=self.time(local.time()))


def date_format_for(tag: str) -> DateFormat:
    """The format of a language tag (BCP 47); English differs by region."""
    language, *rest = tag.split("-")
    region = next((part.upper() for part in rest if len(part) == 2), "")  # noqa: PLR2004 - ISO 3166-1
    if language.lower() == "en":
        return _AMERICAN if region in _MONTH_FIRST else _BRITISH
    return _FORMATS.get(language.lower(), _ISO)


def zone_label(local: datetime) -> str:
    """The name of its time zone: `CET`, or `UTC-03:00` where there is no abbreviation."""
    name = local.strftime("%Z")
    return name if name.isalpha() else f"UTC{local.isoformat()[-6:]}"


def _month(day: date, language: str) -> str:
    return _MONTHS[language].split()[day.month - 1]


def _weekday(day: date, language: str) -> str:
    return _WEEKDAYS[language].split()[day.weekday()]


def _by_24_hours(at: time) -> str:
    return f"{at:%H:%M}"


def _by_12_hours(at: time) -> str:
    return f"{at.hour % 12 or 12}:{at:%M} {'AM' if at.hour < 12 else 'PM'}"  # noqa: PLR2004 - noon


_AMERICAN: Final = DateFormat(
    lambda day: f"{_weekday(day, 'en')}, {_month(day, 'en')} {day.day}, {day.year}",
    _by_12_hours,
    "{date} at {time}",
)
_BRITISH: Final = DateFormat(
    lambda day: f"{_weekday(day, 'en')} {day.day} {_month(day, 'en')} {day.year}",
    _by_24_hours,
    "{date} at {time}",
)
_ISO: Final = DateFormat(date.isoformat, _by_24_hours, "{date} {time}")
_FORMATS: Final = {
    "de": DateFormat(
        lambda day: f"{_weekday(day, 'de')}, {day.day}. {_month(day, 'de')} {day.year}",
        lambda at: f"{_by_24_hours(at)} Uhr",
        "{date} um {time}",
    ),
    "es": DateFormat(
        lambda day: f"{_weekday(day, 'es')}, {day.day} de {_month(day, 'es')} de {day.year}",
        _by_24_hours,
        "{date}, {time}",
    ),
    "ja": DateFormat(
        lambda day: f"{day.year}年{day.month}月{day.day}日{_weekday(day, 'ja')}",
        _by_24_hours,
        "{date} {time}",
    ),
}
