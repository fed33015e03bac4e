"""A value that does not match its pattern is refused with a sentence, not a regular expression."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from api.app import create_app  # noqa: F401 - with it every shape of the API is there
from api.businesses.schemas import BusinessIn
from domain.integrations import VendorSettings
from domain.text_patterns import TextPattern


def shapes(base: type[BaseModel] = BaseModel) -> Iterator[type[BaseModel]]:
    """Every shape of the API, and of vendors' settings."""
    for shape in base.__subclasses__():
        yield from shapes(shape)
        if shape.__module__.startswith("api.") or issubclass(shape, VendorSettings):
            yield shape


def patterns(schema: Any) -> list[str]:
    """The regular expressions that a schema refuses by."""
    if isinstance(schema, list | tuple):
        return [found for part in schema for found in patterns(part)]
    if not isinstance(schema, dict):
        return []
    own = [schema["pattern"]] if schema.get("type") == "str" and "pattern" in schema else []
    return own + [found for part in schema.values() for found in patterns(part)]


def test_no_shape_refuses_by_a_pattern_alone() -> None:
    every = list(shapes())
    assert BusinessIn in every
    found = {shape.__name__: patterns(shape.__pydantic_core_schema__) for shape in every}
    assert {name: refused for name, refused in found.items() if refused} == {}


def test_a_misspelled_text_is_refused_as_a_whole_and_with_the_sentence() -> None:
    spelled = TypeAdapter(Annotated[str, TextPattern("^[0-9]{2}:[0-9]{2}$", "must be a time, as 08:00")])
    assert spelled.validate_python("08:00") == "08:00"
    assert spelled.json_schema() == {"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$"}
    for text in ("8:00", "08:00\n", "at 08:00"):
        with pytest.raises(ValidationError, match="must be a time, as 08:00"):
            spelled.validate_python(text)
