"""The texts of pages are complete in every language."""

import re

import pytest

from runtime.messages.page_texts import SECTIONS, page_texts
from runtime.messages.rendering import LANGUAGES

_FORM = re.compile(r"\.(zero|one|two|few|many|other)$")


def values_in(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("section", SECTIONS)
def test_every_text_exists_in_every_language_with_the_same_values(language: str, section: str) -> None:
    english, other = page_texts("en", section), page_texts(language, section)
    assert {_FORM.sub("", key) for key in other} == {_FORM.sub("", key) for key in english}
    for key, text in other.items():
        expected = english.get(key) or english[_FORM.sub("", key) + ".other"]
        assert text.strip()
        assert values_in(text) == values_in(expected), key
