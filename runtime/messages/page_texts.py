"""The texts of web pages, by language: the part of the message catalogue that people read in a browser.

`pages/en.toml` and its siblings have a table for each section. `{name}` in a text stands for a value. Keys that
end in `.one`, `.other` and the like are forms of a number, by CLDR's plural categories.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

SECTIONS: Final = ("page", "booking", "manage")
"""`page` is what the server writes; the others are modules in the browser."""


@lru_cache(maxsize=64)
def page_texts(language: str, section: str) -> Mapping[str, str]:
    """The texts of a section by key, as `time.none`. None is missing.

    Raises:
        KeyError: there is no such section.
    """
    path = Path(__file__).parent / "pages" / f"{language}.toml"
    with path.open("rb") as file:
        table = tomllib.load(file)[section]
    return MappingProxyType(dict(_flat(table)))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, str):
            yield prefix + key, value
        else:
            yield from _flat(value, f"{prefix}{key}.")
