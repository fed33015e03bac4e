"""Our own words for every message in every language that we write, from the tables beside this module."""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from domain.messages import OCCASIONS, Channel, Occasion, Template

LANGUAGES: Final = ("en", "de", "es", "ja")


@lru_cache(maxsize=1)
def defaults() -> Mapping[tuple[Occasion, str], Template]:
    """Our own templates, by occasion and language; each is whole."""
    return MappingProxyType(
        {
            (occasion, language): _template(occasion, language, table)
            for language in LANGUAGES
            for table in [_table(language)]
            for occasion in OCCASIONS
        }
    )


def _table(language: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(f"{language}.toml").read_text("utf-8"))


def _template(occasion: Occasion, language: str, table: dict[str, Any]) -> Template:
    words = table[occasion.kind][occasion.audience]
    if occasion.channel is Channel.SMS:
        end = table["sms"]["end"][occasion.audience]
        return Template(language, None, f"{words['sms']} {end}".rstrip())
    email = table["email"]
    parts = (email["greeting"][occasion.audience], words["text"], email["details"], "{{ business.name }}")
    return Template(language, words["subject"], "\n\n".join(parts) + "\n")
