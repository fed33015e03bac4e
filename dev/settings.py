"""Settings of the development stack, from the environment."""

from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from dev.errors import DevError
from dev.ports import LOOPBACK, free_port


def variable(name: str, field: FieldInfo) -> str:
    """The environment variable of a setting, of the product's as of the stack's."""
    return str(field.validation_alias or f"HOLDFAST_{name.upper()}")


class DevSettings(BaseSettings):
    """Environment variables are `HOLDFAST_` plus the upper-case name, or the alias if there is one."""

    model_config = SettingsConfigDict(
        env_prefix="HOLDFAST_",
        extra="ignore",
        populate_by_name=True,
        env_ignore_empty=True,
        frozen=True,
        use_attribute_docstrings=True,
    )

    home: Path = Path(".holdfast")
    """Folder of the stack's files: data, logs, keys, run state."""
    api_port: int = Field(default=8000, ge=1, le=65535)
    """Port of the API."""
    grpc_port: int = Field(default=50051, ge=1, le=65535)
    """Port of the gRPC server."""
    temporal_port: int = Field(default=7233, ge=1, le=65535)
    """Port of the Temporal server."""
    temporal_ui_port: int = Field(default=8233, ge=1, le=65535)
    """Port of the Temporal UI."""
    vendors_port: int = Field(default=8090, ge=1, le=65535)
    """Port of the simulated vendors and their page."""
    vendors_smtp_port: int = Field(default=8025, ge=1, le=65535)
    """Port of the simulated mail server."""
    vendors_s3_port: int = Field(default=8091, ge=1, le=65535)
    """Port of the simulated S3 store."""
    database_url: str | None = None
    """The user's own PostgreSQL; then the embedded one is not started."""
    migrations_database_url: str | None = None
    """The same database with the role that owns the schema, if `database_url` has another role."""
    temporal_address: str | None = Field(default=None, validation_alias="TEMPORAL_ADDRESS")
    """HOST:PORT of the user's own Temporal; then the embedded one is not started."""

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment.

        Raises:
            DevError: a variable has an invalid value; the message names it.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]).upper().removeprefix("HOLDFAST_")
            raise DevError(f"HOLDFAST_{name} cannot be {first['input']!r}: {first['msg'].lower()}") from error

    @classmethod
    def on_free_ports(cls, home: Path) -> Self:
        """Settings on free ports, for tests and benchmarks; the environment is ignored."""
        return cls(
            home=home,
            api_port=free_port(),
            grpc_port=free_port(),
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
    def owner_database_url(self) -> str | None:
        """URL of the user's own PostgreSQL with the role that owns the schema."""
        return (self.migrations_database_url or self.database_url) if self.database_url else None

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self.api_port}"

    @property
    def grpc_address(self) -> str:
        return f"{LOOPBACK}:{self.grpc_port}"

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
        """None with the user's own Temporal, whose UI address is unknown."""
        return None if self.temporal_address else f"http://{LOOPBACK}:{self.temporal_ui_port}"
