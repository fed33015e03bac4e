"""Settings of the dev stack, read from the environment."""

from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from dev.errors import DevError
from dev.ports import LOOPBACK, free_port


class DevSettings(BaseSettings):
    """Environment variables are `HOLDFAST_` plus the upper-case name, or the alias where there is one."""

    model_config = SettingsConfigDict(
        env_prefix="HOLDFAST_", extra="ignore", populate_by_name=True, env_ignore_empty=True, frozen=True
    )

    home: Path = Path(".holdfast")
    """Folder of everything the stack keeps: data, logs, key, run state."""
    api_port: int = Field(default=8000, ge=1, le=65535)
    temporal_port: int = Field(default=7233, ge=1, le=65535)
    temporal_ui_port: int = Field(default=8233, ge=1, le=65535)
    vendors_port: int = Field(default=8090, ge=1, le=65535)
    """Of the simulated vendors and their page."""
    vendors_smtp_port: int = Field(default=8025, ge=1, le=65535)
    vendors_s3_port: int = Field(default=8091, ge=1, le=65535)
    database_url: str | None = None
    """A PostgreSQL of your own; the embedded one is not started then."""
    migrations_database_url: str | None = None
    """The same database as the role that owns the schema, where `database_url` is another role's."""
    temporal_address: str | None = Field(default=None, validation_alias="TEMPORAL_ADDRESS")
    """HOST:PORT of a Temporal of your own; the embedded one is not started then."""

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment.

        Raises:
            DevError: a variable has a value that cannot be used; names it.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]).upper().removeprefix("HOLDFAST_")
            raise DevError(f"HOLDFAST_{name} cannot be {first['input']!r}: {first['msg'].lower()}") from error

    @classmethod
    def on_free_ports(cls, home: Path) -> Self:
        """Settings of a stack beside others, for tests and measurements; the environment has no say."""
        return cls(
            home=home,
            api_port=free_port(),
            temporal_port=free_port(),
            temporal_ui_port=free_port(),
            vendors_port=free_port(),
            vendors_smtp_port=free_port(),
            vendors_s3_port=free_port(),
            database_url=None,
            migrations_database_url=None,
            temporal_address=None,
        )

    @property
    def owners_database_url(self) -> str | None:
        """Of a PostgreSQL of your own: as the role that owns the schema."""
        return (self.migrations_database_url or self.database_url) if self.database_url else None

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self.api_port}"

    @property
    def vendors_url(self) -> str:
        return f"http://{LOOPBACK}:{self.vendors_port}"

    @property
    def smtp_url(self) -> str:
        return f"smtp://{LOOPBACK}:{self.vendors_smtp_port}"

    @property
    def s3_url(self) -> str:
        return f"http://{LOOPBACK}:{self.vendors_s3_port}"

    @property
    def temporal_ui_url(self) -> str | None:
        """None with a Temporal of your own: where its UI is, is not known here."""
        return None if self.temporal_address else f"http://{LOOPBACK}:{self.temporal_ui_port}"
