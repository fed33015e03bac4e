"""What the packages may load: a C driver in a workflow module silently kills the worker, so it is forbidden."""

import subprocess
import sys

DRIVERS = (
    "asyncpg",
    "sqlalchemy",
    "uvloop",
    "httptools",
    "orjson",
    "cryptography",
    "fastapi",
    "structlog",
    "alembic",
)


def loaded_by(*modules: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded once it has imported these."""
    program = f"import sys, {', '.join(modules)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


def test_workflows_load_no_driver_and_no_room_above_them() -> None:
    loaded = loaded_by("workflows.booking", "workflows.external_calendars", "workflows.launch")
    assert "temporalio" in loaded
    assert loaded.isdisjoint(DRIVERS)
    assert loaded.isdisjoint({"db", "activities", "runtime", "api", "worker", "dev"})


def test_the_domain_loads_nothing_but_pydantic() -> None:
    modules = ("access", "assignment", "booking", "commands", "transitions", "errors", "events", "lifecycle")
    more = ("external", "messages", "names", "notifications", "timeline", "policies", "steps")
    loaded = loaded_by(*(f"domain.{module}" for module in modules + more))
    assert "pydantic" in loaded
    assert loaded.isdisjoint({*DRIVERS, "temporalio", "workflows", "db", "runtime", "httpx"})


def test_the_check_itself_sees_a_driver_that_is_loaded() -> None:
    assert {"asyncpg", "sqlalchemy"} <= loaded_by("db.engine", "asyncpg")


def test_nobody_waits_for_the_vendors_libraries_to_load() -> None:
    loaded = loaded_by("api.app", "worker.main")
    assert "temporalio" in loaded
    assert loaded.isdisjoint({"stripe", "payjpv2", "icalendar"})
    assert "uvicorn" not in loaded_by("worker.main")
