"""Which processes a stack consists of, and how they find each other."""

from collections.abc import Mapping
from dataclasses import dataclass

from dev.environment import child_environment
from dev.home import Home
from dev.keys import ensure_secrets_key
from dev.postgres import EmbeddedPostgres
from dev.process import Journal
from dev.programs import Api, Simulator, Worker
from dev.service import Service
from dev.settings import DevSettings
from dev.temporal import DevTemporal


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts of one stack; `postgres` and `temporal` are None when servers of your own are used."""

    database_url: str
    """As the owner of the schema; API and worker have the URL of a role of their own in their environment."""
    temporal_address: str
    environment: dict[str, str]
    postgres: EmbeddedPostgres | None
    temporal: DevTemporal | None
    simulator: Simulator | None
    """None where nothing stands in for vendors."""
    api: Api
    worker: Worker

    def services(self) -> list[Service]:
        """Every part that is there, in the order in which they are started."""
        parts = (self.postgres, self.temporal, self.simulator, self.api, self.worker)
        return [part for part in parts if part is not None]


def assemble(
    settings: DevSettings,
    home: Home,
    journal: Journal,
    dynamic_config: Mapping[str, str] | None,
    *,
    vendors: bool,
) -> Assembly:
    """Put the parts together without starting any.

    Raises:
        DevError: a program is missing.
    """
    postgres = None if settings.database_url else EmbeddedPostgres(home.path, journal=journal)
    temporal = None if settings.temporal_address else _temporal(settings, home, journal, dynamic_config)
    database_url = postgres.url if postgres else str(settings.owners_database_url)
    temporal_address = temporal.address if temporal else str(settings.temporal_address)
    environment = child_environment(
        settings,
        database_url=postgres.app_url if postgres else str(settings.database_url),
        temporal_address=temporal_address,
        jwt_key=home.jwt_key,
        secrets_key=ensure_secrets_key(home.secrets_key),
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
