"""Shapes of files on the wire, and what a name of one may be."""

import unicodedata
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, BaseModel

from domain.texts import is_control

_LONGEST_NAME: Final = 200
_MARKS: Final = frozenset("\u061c\u200e\u200f")
"""Beside what `is_control` knows: by these, too, a name may be shown as another (UTR 36, section 2.10.1)."""


def _file_name(value: str) -> str:
    name = unicodedata.normalize("NFC", value).strip()
    if not name.strip(".") or "/" in name or "\\" in name:
        raise ValueError("must be the name of a file, without folders")
    if any(is_control(one) or one in _MARKS for one in name):
        raise ValueError("must not contain control characters")
    return name


FileName = Annotated[
    str,
    Query(min_length=1, max_length=_LONGEST_NAME, description="What the file is called where it is shown."),
    AfterValidator(_file_name),
]


class FileOut(BaseModel):
    """A file. Its content is found at its own address."""

    id: UUID
    name: str
    content_type: str
    size_bytes: int
    sha256: str
    """Of the content, in hexadecimal digits."""
    created_at: datetime


class Files(BaseModel):
    items: list[FileOut]
