"""docker-compose.yml, checked without Docker."""

import re
import shutil
import subprocess
from typing import Any

import pytest
from sqlalchemy.engine import make_url
from temporalio.api.enums.v1 import IndexedValueType

from domain import names
from runtime.settings import Settings
from tests.support.repository_files import ROOT, load_yaml, read
from worker.search_attributes import ATTRIBUTES

COMPOSE = load_yaml("docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
JOBS = {name for name, service in SERVICES.items() if service.get("restart") != "unless-stopped"}
SERVERS = SERVICES.keys() - JOBS

_REQUIRED = re.compile(r"\$\{(\w+):\?")
_PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+(\.\d+)?")

each_service = pytest.mark.parametrize("name", sorted(SERVICES))
each_server = pytest.mark.parametrize("name", sorted(SERVERS))
each_job = pytest.mark.parametrize("name", sorted(JOBS))


def _command(name: str) -> list[str]:
    command = SERVICES[name].get("command", [])
    assert isinstance(command, list), f"{name}: a command is a list, so that no shell reads it"
    return [str(part) for part in command]


def _environment() -> list[tuple[str, str, str]]:
    return [
        (name, variable, str(value))
        for name, service in SERVICES.items()
        for variable, value in service.get("environment", {}).items()
    ]


def test_what_serves_and_what_only_runs_once() -> None:
    assert sorted(SERVERS) == ["api", "grpc", "postgres", "temporal", "temporal-ui", "worker"]
    assert sorted(JOBS) == ["demo-data", "migrate", "temporal-namespace", "temporal-schema"]


@each_server
def test_every_server_has_a_health_check_of_its_own(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "start_period", "retries"} <= check.keys()


@each_job
def test_no_job_is_asked_for_its_health(name: str) -> None:
    inherits_a_check = SERVICES[name]["image"].startswith("holdfast:")
    assert SERVICES[name].get("healthcheck") == ({"disable": True} if inherits_a_check else None)


def test_the_worker_is_checked_where_it_listens() -> None:
    port = SERVICES["worker"]["environment"]["HOLDFAST_WORKER_HEALTH_PORT"]
    assert f"127.0.0.1:{port}/readyz" in SERVICES["worker"]["healthcheck"]["test"][-1]


@each_service
def test_everything_waits_for_what_it_needs_to_be_ready(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if needed in JOBS else "service_healthy"
        assert how == {"condition": expected}


def test_only_postgres_waits_for_nothing() -> None:
    assert [name for name, service in SERVICES.items() if "depends_on" not in service] == ["postgres"]


@each_service
def test_images_are_pinned_to_a_version(name: str) -> None:
    assert _PINNED.fullmatch(SERVICES[name]["image"])


def test_the_deprecated_image_is_not_used() -> None:
    assert "auto-setup" not in read("docker-compose.yml")


def test_the_schema_and_the_server_are_of_one_version() -> None:
    tags = {
        service["image"].partition(":")[2]
        for service in SERVICES.values()
        if service["image"].startswith(("temporalio/server:", "temporalio/admin-tools:"))
    }
    assert len(tags) == 1


@each_service
def test_ports_are_published_on_loopback_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:")
    assert SERVICES[name].get("network_mode") is None


def test_no_password_has_a_default() -> None:
    secret = re.compile(r"PASSWORD|PWD|SECRET|DATABASE_URL")
    values = [value for _, variable, value in _environment() if secret.search(variable)]
    assert values
    assert all(_REQUIRED.search(value) for value in values)


def test_nothing_but_the_migrations_comes_in_as_the_owner_of_the_schema() -> None:
    urls = {
        (name, variable): str(make_url(value).username)
        for name, variable, value in _environment()
        if variable.endswith("DATABASE_URL")
    }
    app = Settings.model_fields["database_app_role"].default
    assert urls.pop(("migrate", "HOLDFAST_MIGRATIONS_DATABASE_URL")) == "holdfast"
    assert set(urls.values()) == {app}
    assert {name for name, _ in urls} == {"api", "grpc", "worker", "migrate", "demo-data"}
    knowing = {name for name, _, value in _environment() if "HOLDFAST_OWNER_PASSWORD" in value}
    assert knowing == {"migrate", "postgres"}


def test_the_example_environment_names_every_required_variable_and_fills_none() -> None:
    required = set(_REQUIRED.findall(read("docker-compose.yml")))
    assert required
    assert set(re.findall(r"^(\w+)=$", read(".env.example"), re.MULTILINE)) == required


def test_the_example_environment_names_every_optional_variable() -> None:
    optional = set(re.findall(r"\$\{(\w+):-", read("docker-compose.yml")))
    assert set(re.findall(r"^#(\w+)=", read(".env.example"), re.MULTILINE)) == optional


def test_the_volume_is_where_the_image_of_this_major_version_keeps_its_data() -> None:
    assert SERVICES["postgres"]["image"].startswith("postgres:18.")
    assert "postgres:/var/lib/postgresql" in SERVICES["postgres"]["volumes"]
    assert "postgres" in COMPOSE["volumes"]


def test_the_signing_key_is_a_secret_that_git_ignores() -> None:
    assert COMPOSE["secrets"]["jwt_key"] == {"file": "./deploy/secrets/jwt.pem"}
    assert "secrets/" in read("deploy/.gitignore").splitlines()
    assert SERVICES["api"]["environment"]["HOLDFAST_JWT_KEY_FILE"] == "/run/secrets/jwt_key"
    assert [name for name, service in SERVICES.items() if service.get("secrets")] == ["api", "grpc"]


@pytest.mark.parametrize("name", ["api", "grpc", "worker", "migrate", "demo-data"])
def test_our_own_containers_write_nowhere_and_gain_nothing(name: str) -> None:
    assert SERVICES[name]["read_only"] is True
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", ["api", "grpc", "worker", "migrate"])
def test_modules_that_are_run_exist(name: str) -> None:
    python, flag, module, *_ = _command(name)
    assert (python, flag) == ("python", "-m")
    assert (ROOT / module.replace(".", "/") / "__main__.py").is_file()


@each_service
def test_mounted_files_exist(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source = volume.partition(":")[0]
        if source.startswith("."):
            assert (ROOT / source).is_dir()
            assert volume.endswith(":ro")


def test_a_stop_lasts_longer_than_a_worker_needs() -> None:
    grace = Settings.model_fields["worker_graceful_seconds"].default
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > grace


@pytest.mark.parametrize("script", sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("deploy/*/*.sh")))
def test_scripts_are_valid_shell(script: str) -> None:
    shell = shutil.which("sh")
    assert shell is not None
    subprocess.run([shell, "-n", ROOT / script], check=True)


def test_scripts_that_are_run_are_there() -> None:
    run = [part for name in SERVICES for part in _command(name) if part.startswith("/scripts/")]
    assert run
    assert all((ROOT / "deploy/temporal" / part.removeprefix("/scripts/")).is_file() for part in run)


def test_the_namespace_gets_the_search_attributes_that_bookings_carry() -> None:
    expected = {
        name: IndexedValueType.Name(kind).removeprefix("INDEXED_VALUE_TYPE_").capitalize()
        for name, kind in ATTRIBUTES.items()
    }
    for path in ("deploy/temporal/namespace.sh", "docs/deployment.md"):
        assert dict(re.findall(r"--name (\w+) --type (\w+)", read(path))) == expected
    assert names.TENANT_ID in expected


def test_dynamic_configuration_is_a_list_of_values_for_each_key() -> None:
    configured = load_yaml("deploy/temporal/dynamicconfig.yaml")
    assert configured["matching.enableFairness"] == [{"value": True}]
    assert all(isinstance(value, list) and "value" in value[0] for value in configured.values())
    mounted = SERVICES["temporal"]["environment"]["DYNAMIC_CONFIG_FILE_PATH"]
    assert mounted == "/etc/temporal/holdfast/dynamicconfig.yaml"
    assert "./deploy/temporal:/etc/temporal/holdfast:ro" in SERVICES["temporal"]["volumes"]
