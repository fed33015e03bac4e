"""The report: a table for people, and JSON to compare runs."""

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from bench.noise import Noise
from bench.results import TIMES, Row

RESULTS = Path(__file__).parent / "results"

_VERDICTS = {None: "", True: "[green]ok[/]", False: "[bold red]missed[/]"}


def table(rows: Sequence[Row]) -> Table:
    """One line per row, with baseline and Holdfast side by side."""
    shown = Table(title=f"Holdfast compared with the baseline, {os.cpu_count()} CPUs", title_justify="left")
    shown.add_column("measurement", no_wrap=True)
    shown.add_column("unit")
    for name in ("baseline", "Holdfast", "ratio", "goal"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("")
    shown.add_column("compared with", style="dim", no_wrap=True)
    for row in rows:
        shown.add_row(*_cells(row))
    return shown


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        row.unit,
        _number(row.baseline),
        _number(row.holdfast),
        "" if row.ratio is None else f"{row.ratio:.2f}{TIMES}",
        row.goal.text(row.unit) if row.goal else "",
        _VERDICTS[row.ok],
        row.compared_with,
    )


def _number(value: float | None) -> str:
    """Three significant digits: these measurements are not more precise."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:.3g}"


def write_json(path: Path, rows: Sequence[Row], noise: Noise, *, quick: bool) -> None:
    """Write all figures, with the machine they were measured on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": {"cpus": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "others_cpu_percent": noise.percent,
        "rows": [row.as_json() for row in rows],
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def default_path() -> Path:
    return RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
