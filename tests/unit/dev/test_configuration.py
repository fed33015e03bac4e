"""The document of the settings and the check that keeps it."""

from pathlib import Path

import pytest
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from dev import configuration


class Sample(BaseSettings):
    model_config = SettingsConfigDict(use_attribute_docstrings=True)

    folder: Path = Path("files")
    """Folder of files, shared
    by `a|b`."""
    address: str | None = Field(default=None, validation_alias="SAMPLE_ADDRESS")
    """Address."""


class Undescribed(BaseSettings):
    port: int = 1


def test_a_row_has_the_variable_its_default_and_its_description() -> None:
    assert configuration.table(Sample).splitlines()[2:] == [
        r"| `HOLDFAST_FOLDER` | `files` | Folder of files, shared by `a\|b`. |",
        "| `SAMPLE_ADDRESS` | \N{EN DASH} | Address. |",
    ]


def test_a_setting_without_a_description_is_an_error() -> None:
    with pytest.raises(ValueError, match="HOLDFAST_PORT has no description"):
        configuration.table(Undescribed)


def test_a_document_that_was_just_written_is_current(tmp_path: Path) -> None:
    document = tmp_path / "configuration.md"
    assert configuration.main(["write", "--file", str(document)]) == 0
    assert configuration.main(["check", "--file", str(document)]) == 0


@pytest.mark.parametrize("change", ["", "more"])
def test_a_document_that_is_missing_or_differs_is_not_current(
    change: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "configuration.md"
    if change:
        document.write_text(configuration.render() + change)
    assert configuration.check(document) == 1
    assert "run `make configuration`" in capsys.readouterr().err


def test_the_published_document_is_current() -> None:
    assert configuration.check(configuration.DOCUMENT) == 0
