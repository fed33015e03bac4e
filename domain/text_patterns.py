"""Text that must match a pattern, with an error message for people instead of a regular expression."""

import re
from dataclasses import dataclass

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True, slots=True)
class TextPattern:
    """Annotates a text that must match `pattern` as a whole.

    The OpenAPI contract shows the pattern; an error shows the sentence.
    """

    pattern: str
    sentence: str
    """What is required, as "must be …", with an example."""

    def _checked(self, value: str) -> str:
        if re.fullmatch(self.pattern, value) is None:
            raise ValueError(self.sentence)
        return value

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        found = handler(schema)
        rules = {name: found.pop(name) for name in ("type", "minLength", "maxLength") if name in found}
        return rules | {"pattern": self.pattern} | found
