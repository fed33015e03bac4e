"""Tables and diagrams of the documents agree with the code."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pydantic import BaseModel

from api import errors
from api.bookings.schemas import BookingOut, NextOut
from api.transfer.shapes import BusinessRow
from dev.settings import DevSettings
from domain.errors import ERRORS_BY_CODE
from domain.lifecycle import PERMITTED_ROLES, TRANSITIONS, Command, Role, Status, allowed_from, command_fits
from domain.timeline import DeadlineKind, Phase
from runtime import metrics
from runtime.settings import Settings
from tests.support.repository_files import ROOT, load_yaml, read

README, API, OPERATIONS = read("README.md"), read("docs/api.md"), read("docs/operations.md")
CONFIGURATION = read("docs/configuration.md")
DOCUMENTS = sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
README_LINES = 250
DECISION_LINES = 60


def _section(text: str, heading: str) -> str:
    _, _, after = text.partition(f"\n## {heading}\n")
    assert after, f"there is no section {heading!r}"
    return after.partition("\n## ")[0]


def _rows(section: str) -> list[list[str]]:
    """The cells of the section's tables, without the heads."""
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in cells] for cells in lines if not set("".join(cells)) <= set("- ")]


def _codes(cell: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", cell)


def test_the_readme_is_short_and_shows_the_folders_in_its_first_third() -> None:
    assert len(README.splitlines()) <= README_LINES
    before, _, after = README.partition("\n## Where things are\n")
    tree = after.partition("```\n")[2].partition("```")[0]
    assert len((before + tree).splitlines()) < len(README.splitlines()) / 3
    folders = {path.parent.name for path in ROOT.glob("[a-z]*/__init__.py")} | {"deploy", "docs"}
    assert {line.partition("/")[0] for line in tree.splitlines()} == folders


def test_every_decision_is_in_the_index_and_short() -> None:
    records = sorted(path.name for path in ROOT.glob("docs/decisions/[0-9]*.md"))
    assert re.findall(r"\]\((\d{4}-[^)]+)\)", read("docs/decisions/README.md")) == records
    for record in records:
        text = read(f"docs/decisions/{record}")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
        assert len(text.splitlines()) <= DECISION_LINES


def test_every_hook_runs_a_program_of_the_project_s_environment() -> None:
    [local] = load_yaml(".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    assert all(hook["language"] == "system" for hook in local["hooks"])
    assert all(hook["entry"].startswith(".venv/bin/") for hook in local["hooks"])


def test_the_lifecycle_diagram_has_exactly_the_transitions_of_the_table() -> None:
    drawn = re.findall(r"^ {4}(\w+) --> (\w+)", _section(README, "The lifecycle"), re.MULTILINE)
    expected = {(str(old), str(new)) for old, following in TRANSITIONS.items() for new in following}
    assert set(drawn) == expected
    assert len(drawn) == len(expected)


def test_the_lifecycle_table_is_the_one_of_the_code() -> None:
    rows = {
        _codes(row[0])[0]: _codes(row[1]) for row in _rows(_section(README, "The lifecycle")) if _codes(row[0])
    }
    assert {old: set(new) for old, new in rows.items()} == {
        str(status): {str(following) for following in allowed_from(status)} for status in Status
    }


def _shown(default: object) -> str:
    return "\N{EN DASH}" if default in (None, "") else str(default)


def test_every_setting_is_listed_with_its_default() -> None:
    rows = [row for row in _rows(CONFIGURATION) if _codes(row[0])]
    product = {f"HOLDFAST_{name.upper()}": field.default for name, field in Settings.model_fields.items()}
    dev = {
        str(field.validation_alias or f"HOLDFAST_{name.upper()}"): field.default
        for name, field in DevSettings.model_fields.items()
    }
    expected = [(name, _shown(default)) for name, default in [*product.items(), *dev.items()]]
    assert sorted((_codes(row[0])[0], row[1].strip("`")) for row in rows) == sorted(expected)
    assert all(row[2] for row in rows)


def test_the_readme_says_where_the_settings_are() -> None:
    assert "](docs/configuration.md)" in README


def test_every_error_code_is_explained() -> None:
    explained = set(_codes(_section(API, "Errors")))
    own = ERRORS_BY_CODE.keys() | {code for code, _ in errors.FRAMEWORK_PROBLEMS.values()}
    assert own | {"internal_error", "database_unavailable", "http_error"} <= explained


def test_errors_are_listed_under_the_status_that_they_are_answered_with() -> None:
    listed = {
        _codes(row[1])[0]: row[0] for row in _rows(_section(API, "Errors")) if len(row) == 4 and _codes(row[1])
    }
    for kind in ERRORS_BY_CODE.values():
        assert listed[kind.code] == str(errors.STATUS[kind.category])


@pytest.mark.parametrize("command", list(Command))
def test_each_command_is_listed_with_its_roles_and_statuses(command: Command) -> None:
    row = next(row for row in _rows(_section(API, "Commands")) if _codes(row[0]) == [str(command)])
    assert set(row[2].split(", ")) == {str(role) for role in Role if role in PERMITTED_ROLES[command]}
    fitting = {str(status) for status in Status if command_fits(command, status)}
    assert set(_codes(row[3])) == fitting or (row[3] == "any" and len(fitting) == len(Status))


@pytest.mark.parametrize("value", [*Phase, *DeadlineKind])
def test_what_next_may_answer_is_explained(value: str) -> None:
    assert f"| `{value}` |" in _section(API, "Requests")


def test_every_metric_is_listed() -> None:
    ours = {name for name in REGISTRY._names_to_collectors if name.startswith("holdfast_")}
    assert metrics.SWEEPS is not None
    suffixes = ("_created", "_bucket", "_sum", "_count")
    counters = {name for name in ours if f"{name}_total" in ours}
    expected = {name for name in ours if not name.endswith(suffixes)} - counters
    assert {_codes(row[0])[0] for row in _rows(_section(OPERATIONS, "Metrics")) if _codes(row[0])} == expected


@pytest.mark.parametrize(("begins", "shape"), [('{"id":"', BookingOut), ('{"status":"', NextOut)])
def test_a_printed_answer_has_every_member_of_its_shape(begins: str, shape: type[BaseModel]) -> None:
    at = README.index(f"\n{begins}") + 1
    printed, _ = json.JSONDecoder().raw_decode(README[at:])
    assert list(printed) == list(shape.model_fields)


def test_an_import_s_business_is_described_with_every_member() -> None:
    [described] = [row[1] for row in _rows(_section(API, "Moving in")) if row[0] == "`business`"]
    assert set(_codes(described)) == set(BusinessRow.model_fields)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_document_says_that_fees_are_not_taken(document: str) -> None:
    assert not re.search(r"not\s+yet\s+(taken|charged|kept)", read(document))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", read(document)):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / document).parent / path if path else ROOT / document
        assert file.exists(), target
        if anchor:
            assert anchor in _anchors(file), target


def _anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
