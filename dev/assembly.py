"""The processes of a stack, and the environment that connects them."""

from collections.abc import Mapping
from dataclasses import dataclass

from dev.environment import child_environment
from dev.home import Home
from dev.keys import ensure_secrets_key, ensure_service_token
from dev.postgres import EmbeddedPostgres
from dev.process import Journal
from dev.programs import Api, Grpc, Simulator, Worker
from dev.service import Service
from dev.settings import DevSettings
from dev.temporal import DevTemporal


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts of one stack; `postgres` and `temporal` are None if the user runs their own servers."""

    database_url: str
    """With the role that owns the schema; the API and the worker get the URL of another role."""
    temporal_address: str
    environment: dict[str, str]
    postgres: EmbeddedPostgres | None
    temporal: DevTemporal | None
    simulator: Simulator | None
    """None without simulated vendors."""
    api: Api
    grpc: Grpc | None
    """None without a gRPC server."""
    worker: Worker

    def services(self) -> list[Service]:
        """All parts, in the order of their start."""
        parts = (self.postgres, self.temporal, self.simulator, self.api, self.grpc, self.worker)
        return [part for part in parts if part is not None]


def assemble(
    settings: DevSettings,
    home: Home,
    journal: Journal,
    dynamic_config: Mapping[str, str] | None,
    *,
    vendors: bool,
    grpc: bool,
) -> Assembly:
    """Create the parts without starting them.

    Raises:
        DevError: a program is missing.
    """
    postgres = None if settings.database_url else EmbeddedPostgres(home.path, journal=journal)
    temporal = None if settings.temporal_address else _temporal(settings, home, journal, dynamic_config)
    database_url = postgres.url if postgres else str(settings.owner_database_url)
    temporal_address = temporal.address if temporal else str(settings.temporal_address)
    environment = child_environment(
        settings,
        database_url=postgres.app_url if postgres else str(settings.database_url),
        temporal_address=temporal_address,
        jwt_key=home.jwt_key,
        secrets_key=ensure_secrets_key(home.secrets_key),
        service_token=ensure_service_token(home.grpc_token),
        vendors=vendors,
    )
    return Assembly(
        database_url=database_url,
        temporal_address=temporal_address,
        environment=environment,
        postgres=postgres,
        temporal=temporal,
        simulator=Simulator(settings, home.logs, environment, journal) if vendors else None,
        api=Api(settings.api_url, home.logs, environment, journal),
        grpc=Grpc(settings.grpc_port, home.logs, environment, journal) if grpc else None,
        worker=Worker(home.logs, environment, journal),
    )


def _temporal(
    settings: DevSettings, home: Home, journal: Journal, dynamic_config: Mapping[str, str] | None
) -> DevTemporal:
    return DevTemporal(
        home.path,
        port=settings.temporal_port,
        ui_port=settings.temporal_ui_port,
        dynamic_config=dynamic_config,
        journal=journal,
    )
