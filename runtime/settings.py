"""Every setting of Holdfast's own processes, read once from the environment.

Temporal's connection is not here: it comes from `temporalio.envconfig` (TOML profiles and `TEMPORAL_*`),
so that a self-hosted cluster or Temporal Cloud is configuration only.
"""

import re
from base64 import urlsafe_b64decode
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.effects import RATES, Vendor

_KEY_BYTES = 32
_ORIGIN = re.compile(r"https?://[a-z0-9.:\[\]-]+")


class Settings(BaseSettings):
    """Settings with their defaults; the environment variable is `HOLDFAST_` plus the upper-case name."""

    # What is wrong with a setting is said without its value: some of them are secrets.
    model_config = SettingsConfigDict(env_prefix="HOLDFAST_", extra="ignore", hide_input_in_errors=True)

    database_url: str = "postgresql://localhost/holdfast"
    """As the role of the application, which may read and write rows but owns nothing."""
    migrations_database_url: str = ""
    """As the role that owns the schema; `python -m db` uses it. Empty: the same as `database_url`."""
    database_app_role: str = "holdfast_app"
    """The role to which `python -m db upgrade` gives the rights of the application, if there is one."""
    database_pool_min: int = Field(default=5, ge=1)
    database_pool_max: int = Field(default=30, ge=1)
    database_command_timeout_seconds: float = Field(default=5.0, gt=0)
    """Time for one statement; after it the connection is closed and the request answered 503."""

    api_host: str = "127.0.0.1"
    api_port: int = 8000
    api_metrics_port: int = Field(default=0, ge=0, le=65535)
    """Port of /metrics alone, for Prometheus and not for the public; 0: /metrics is on the API's own port."""
    api_metrics_host: str = "127.0.0.1"

    jwt_key_file: str = ""
    """PEM files of Ed25519 keys, comma-separated: the first, a private one, signs tokens; all of them verify."""
    jwt_issuer: str = "https://holdfast.example"
    jwt_audience: str = "holdfast-api"
    access_token_minutes: int = Field(default=15, ge=1)
    refresh_token_days: int = Field(default=7, ge=1)
    public_url: str = "http://127.0.0.1:8000"
    """Where people reach this installation: the beginning of the links in messages."""
    mail_folder: str = ""
    """Folder to which messages about accounts are written as files; empty: the log says that there was one."""

    rate_limit_per_minute: int = Field(default=60, ge=0)
    """Requests of one user, API key or address; 0: as many as they like."""
    trusted_proxies: str = ""
    """Addresses or networks, comma-separated, whose `X-Forwarded-For` is believed."""
    cors_origins: str = ""
    """Web sites, comma-separated, whose pages may speak to the API about every business: your own front end."""
    request_timeout_seconds: float = Field(default=30.0, gt=0)
    """How long a request may take until its answer begins."""

    secrets_key: SecretStr | None = None
    """Keys that encrypt other systems' tokens, comma-separated; without one none can be stored."""
    outbound_allow_loopback: bool = False
    """Addresses that businesses give may lie on this machine, and be plain HTTP there: to develop and test."""
    external_check_seconds: float = Field(default=30.0, ge=1)
    """How often it is looked which outside calendars are due."""

    smtp_url: str = ""
    """Mail server for businesses without one and for messages about accounts: smtp://user:password@host:587."""
    mail_from: str = "Holdfast <no-reply@holdfast.example>"
    """Sender of what goes out by that server."""
    smtp_utf8: bool = False
    """That server takes addresses with letters beyond ASCII before the @ (SMTPUTF8, RFC 6531)."""
    mails_per_business_and_day: int = Field(default=1000, ge=0)
    """E-mails that one business sends by that server on one day (UTC); 0: as many as they like."""
    founders: Literal["everybody", "operators"] = "everybody"
    """Who founds businesses: everybody with an account, or operators alone by `python -m api businesses found`."""
    storage_folder: str = ".holdfast/files"
    """Where files lie of businesses that have no storage of their own."""
    vendors_url: str = ""
    """A simulator that stands in for all vendors, each at this URL and its name: to develop and test."""
    effect_rates: str = ""
    """Effects a second of a business that go to a vendor at most, as `twilio=10,stripe=50`; else the defaults."""
    reconcile_interval_seconds: float = Field(default=900.0, ge=1)
    """How often what vendors have is compared with what bookings say."""
    relay_interval_seconds: float = Field(default=0.25, gt=0)
    """How often it is looked which effects are due."""
    event_log_interval_seconds: float = Field(default=0.25, gt=0)
    """How often new events are given their places among their business's, and endpoints told of them."""
    effect_heartbeat_seconds: float = Field(default=10.0, ge=1)
    """Temporal begins an attempt at an effect again when it has heard nothing of it for so long."""
    effect_lease_seconds: float = Field(default=30.0, ge=1)
    """For so long an attempt that may still be under way keeps others from beginning: one and a half times what a
    vendor's request may take."""

    start_concurrency: int = Field(default=8, ge=1)
    """How many workflow starts one API process has under way at once."""
    start_backlog_limit: int = Field(default=10_000, ge=0)
    """Bookings that may wait for their workflow before creating answers 503."""
    command_timeout_seconds: float = Field(default=10.0, gt=0)
    """How long a command waits for the engine before the caller is told to come back."""

    worker_health_port: int = 0
    """Port of the worker's own /livez, /readyz and /metrics on loopback; 0 leaves it off."""
    worker_health_host: str = "127.0.0.1"
    worker_pollers: int = Field(default=20, ge=1)
    worker_cached_workflows: int = Field(default=600, ge=1)
    worker_build_id: str = ""
    """With a build id the worker registers as a version of the deployment `holdfast` (Worker Versioning)."""
    worker_graceful_seconds: float = Field(default=30.0, ge=0)

    sweep_interval_seconds: float = Field(default=2.0, gt=0)
    sweep_grace_seconds: float = Field(default=5.0, ge=0)
    """Age after which a booking without its workflow is taken for lost and started by workflow recovery."""
    takeover_grace_seconds: float = Field(default=3.0, ge=0)
    """Age after which a command's step that was never answered is told to the booking's workflow."""
    audit_interval_seconds: float = Field(default=3600.0, gt=0)
    """Interval between two comparisons of every booking with its workflow."""

    log_level: str = "INFO"
    log_format: str = "json"

    @property
    def jwt_key_paths(self) -> list[Path]:
        return [Path(name.strip()) for name in self.jwt_key_file.split(",") if name.strip()]

    @property
    def trusted_proxy_networks(self) -> tuple[str, ...]:
        """The proxies as addresses and networks, each in its one way of writing it."""
        return tuple(_network(part) for part in _parts(self.trusted_proxies))

    def effect_rate(self, vendor: Vendor) -> float:
        """Effects a second of one business that go to a vendor at most."""
        return _rates(self.effect_rates).get(vendor, RATES[vendor])

    @property
    def own_origins(self) -> frozenset[str]:
        return frozenset(_parts(self.cors_origins))

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for part in _parts(value):
            _network(part)  # not `*`: who believes everybody believes what a client says of itself
        return value

    @field_validator("effect_rates")
    @classmethod
    def _are_rates(cls, value: str) -> str:
        _rates(value)
        return value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        if not all(_ORIGIN.fullmatch(part) for part in _parts(value)):
            raise ValueError("each origin must be as browsers send it, such as https://www.example.com")
        return value

    @field_validator("secrets_key")
    @classmethod
    def _is_made_of_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        if not all(_is_key(key.strip()) for key in value.get_secret_value().split(",")):
            raise ValueError("each key must be 32 bytes in URL-safe Base64")
        return value


def _rates(text: str) -> dict[Vendor, float]:
    """Raises ValueError for a vendor that there is not, and for a rate that is none."""
    pairs = (part.partition("=") for part in _parts(text))
    rates = {Vendor(name.strip()): float(rate) for name, _, rate in pairs}
    if not all(rate > 0 for rate in rates.values()):
        raise ValueError("a rate must be above 0")
    return rates


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _network(text: str) -> str:
    network = ip_network(text, strict=False)
    return str(network.network_address if network.num_addresses == 1 else network)


def _is_key(text: str) -> bool:
    try:
        return len(urlsafe_b64decode(text)) == _KEY_BYTES
    except ValueError:
        return False


@lru_cache
def settings() -> Settings:
    """The process's settings, read at the first call."""
    return Settings()
