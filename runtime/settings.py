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
from runtime.service_tokens import ServiceToken, read_tokens

_KEY_BYTES = 32
_ORIGIN = re.compile(r"https?://[a-z0-9.:\[\]-]+")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Settings(BaseSettings):
    """Settings with their defaults; the environment variable is `HOLDFAST_` plus the upper-case name."""

    # Errors hide the value: some settings are secrets. Descriptions make docs/configuration.md.
    model_config = SettingsConfigDict(
        env_prefix="HOLDFAST_", extra="ignore", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    database_url: str = "postgresql://localhost/holdfast"
    """PostgreSQL as the application's role, which reads and writes rows and owns nothing."""
    migrations_database_url: str = ""
    """The same database as the role that owns the schema, for `python -m db`. Empty: `HOLDFAST_DATABASE_URL`."""
    database_app_role: str = "holdfast_app"
    """Role to which `python -m db upgrade` grants the application's rights, if it exists."""
    database_pool_min: int = Field(default=5, ge=1)
    """Connections that a process opens at its start."""
    database_pool_max: int = Field(default=30, ge=1)
    """Maximum connections of one process; also the number of steps that a worker writes at once."""
    database_command_timeout_seconds: float = Field(default=5.0, gt=0)
    """Timeout of one statement. After it the connection is closed and the request answered 503."""

    api_host: str = "127.0.0.1"
    """Address on which the API listens."""
    api_port: int = 8000
    """Port of the API."""
    api_metrics_port: int = Field(default=0, ge=0, le=65535)
    """Separate port of the API's `/metrics`, which is then 404 on the API's port. 0: served on the API's port."""
    api_metrics_host: str = "127.0.0.1"
    """Address on which the separate metrics port listens."""

    grpc_port: int = Field(default=50051, ge=0, le=65535)
    """Port of the gRPC server, which listens on `HOLDFAST_API_HOST`."""
    grpc_tokens: SecretStr | None = None
    """JSON list of the services that may call the gRPC server, with hashes of their tokens
    ([gRPC](grpc.md#tokens)). Without it every call is refused."""
    grpc_tls_certificate_file: str = ""
    """PEM file of the gRPC server's certificate chain. Empty: no TLS."""
    grpc_tls_key_file: str = ""
    """PEM file of its private key."""
    grpc_tls_client_ca_file: str = ""
    """PEM file of the authorities whose client certificates are accepted: each client must have one (mTLS)."""
    grpc_max_concurrent_streams: int = Field(default=1000, ge=1)
    """Maximum concurrent calls of one gRPC connection."""
    grpc_metrics_port: int = Field(default=0, ge=0, le=65535)
    """Port of the gRPC server's `/metrics`, on `HOLDFAST_API_METRICS_HOST`. 0: off."""

    jwt_key_file: str = ""
    """PEM files of Ed25519 keys, comma-separated. The first, a private key, signs tokens; all of them verify.
    Required by the API."""
    jwt_issuer: str = "https://holdfast.example"
    """Issuer of tokens: set your own. Tokens of another issuer are refused."""
    jwt_audience: str = "holdfast-api"
    """Audience of tokens."""
    access_token_minutes: int = Field(default=15, ge=1)
    """Lifetime of an access token."""
    refresh_token_days: int = Field(default=7, ge=1)
    """Lifetime of a login that is not refreshed."""
    public_url: str = "http://127.0.0.1:8000"
    """Public address of this installation: the base of links in messages."""
    mail_folder: str = ""
    """Folder for account messages as `.eml` files when there is no mail server. Empty: they are only logged."""

    rate_limit_per_minute: int = Field(default=60, ge=0)
    """Requests per user, API key or address. 0: no limit. The dev stack sets 1200."""
    streams_per_caller: int = Field(default=20, ge=0)
    """Live streams and WebSockets that a user, API key or manage link may have open in each API process. 0: no
    limit."""
    streams_per_address: int = Field(default=500, ge=0)
    """The same for a client address, or an IPv6 network. 0: no limit."""
    stream_send_seconds: float = Field(default=20.0, gt=0)
    """Time in which the client of a live stream has to read what was sent to it. Then its stream ends."""
    websocket_messages_per_minute: int = Field(default=120, ge=0)
    """Messages that a WebSocket's client may send in a minute. 0: no limit."""
    trusted_proxies: str = ""
    """Addresses or networks of proxies, comma-separated, whose `X-Forwarded-For` is trusted."""
    cors_origins: str = ""
    """Origins of your own front ends, comma-separated, allowed for every business."""
    base_domain: str = ""
    """Domain below which each business has a host name: its slug, as in `corner-salon.book.example.com`. Empty:
    booking pages are below `HOLDFAST_PUBLIC_URL` only."""
    request_timeout_seconds: float = Field(default=30.0, gt=0)
    """Timeout until the answer to a request begins."""

    secrets_key: SecretStr | None = None
    """Keys that encrypt other systems' tokens, comma-separated; the first encrypts, all decrypt. Without one no
    token can be stored."""
    outbound_allow_loopback: bool = False
    """Allow businesses to name addresses on this machine, over plain HTTP too. For development; the dev stack sets
    it."""
    external_check_seconds: float = Field(default=30.0, ge=1)
    """Polling interval for outside calendars that are due."""

    smtp_url: str = ""
    """Mail server for account messages and for businesses without an e-mail vendor:
    `smtp://user:password@host:587`."""
    mail_from: str = "Holdfast <no-reply@holdfast.example>"
    """Sender of e-mails through the installation's mail server."""
    smtp_utf8: bool = False
    """The installation's mail server accepts non-ASCII letters before the @ (SMTPUTF8, RFC 6531)."""
    mails_per_business_and_day: int = Field(default=1000, ge=0)
    """E-mails of one business through the installation's mail server per UTC day. 0: no limit."""
    founders: Literal["everybody", "operators"] = "everybody"
    """Who founds businesses: `everybody` with an account, or `operators` by `python -m api businesses found`."""
    storage_folder: str = ".holdfast/files"
    """Folder for files of businesses without storage of their own. All API and worker processes share it."""
    vendors_url: str = ""
    """Simulator that replaces all vendors, each at this URL plus its name. The dev stack sets it."""
    effect_rates: str = ""
    """Maximum effects per second of one business to a vendor, as `twilio=10,stripe=50`. Others have defaults."""
    reconcile_interval_seconds: float = Field(default=900.0, ge=1)
    """Interval between comparisons of vendors' jobs and payments with bookings."""
    relay_interval_seconds: float = Field(default=0.25, gt=0)
    """Relay polling interval."""
    event_log_interval_seconds: float = Field(default=0.25, gt=0)
    """Event log polling interval while no events come. While they do, it is 0.02 s at most."""
    effect_heartbeat_seconds: float = Field(default=10.0, ge=1)
    """Heartbeat timeout of an effect's attempt. After it Temporal starts the next attempt."""
    effect_lease_seconds: float = Field(default=30.0, ge=1)
    """Lease of an effect's attempt: no other attempt starts before it expires. At least 1.5 times the longest
    vendor request."""

    start_concurrency: int = Field(default=8, ge=1)
    """Concurrent workflow starts of one API process."""
    start_backlog_limit: int = Field(default=10_000, ge=0)
    """Maximum bookings without a workflow. Beyond it creating a booking answers 503."""
    command_timeout_seconds: float = Field(default=10.0, gt=0)
    """Timeout of a command before it answers 503."""

    worker_health_port: int = 0
    """Port of the worker's `/livez`, `/readyz` and `/metrics`. 0: off."""
    worker_health_host: str = "127.0.0.1"
    """Address on which the worker's health port listens."""
    worker_pollers: int = Field(default=20, ge=1)
    """Maximum pollers of a task queue."""
    worker_cached_workflows: int = Field(default=600, ge=1)
    """Workflows cached by a worker. Others are replayed when they continue."""
    worker_build_id: str = ""
    """Build id under which the worker registers as a version of the deployment `holdfast` (Worker Versioning)."""
    worker_graceful_seconds: float = Field(default=30.0, ge=0)
    """Time that a stopping worker gives its running tasks."""

    sweep_interval_seconds: float = Field(default=2.0, gt=0)
    """Interval between recovery rounds."""
    sweep_grace_seconds: float = Field(default=5.0, ge=0)
    """Age after which recovery starts the workflow of a booking that has none."""
    takeover_grace_seconds: float = Field(default=3.0, ge=0)
    """Age after which a workflow is told of a command's step whose answer nobody received."""
    audit_interval_seconds: float = Field(default=3600.0, gt=0)
    """Interval between comparisons of every booking with its workflow."""

    log_level: str = "INFO"
    """Minimum level of log lines."""
    log_format: str = "json"
    """`json` or `console`."""

    @property
    def service_tokens(self) -> tuple[ServiceToken, ...]:
        """The tokens of services that may call the gRPC server."""
        return () if self.grpc_tokens is None else read_tokens(self.grpc_tokens.get_secret_value())

    @property
    def jwt_key_paths(self) -> list[Path]:
        return [Path(name.strip()) for name in self.jwt_key_file.split(",") if name.strip()]

    @property
    def trusted_proxy_networks(self) -> tuple[str, ...]:
        """Trusted proxies as canonical addresses and networks."""
        return tuple(_network(part) for part in _parts(self.trusted_proxies))

    def effect_rate(self, vendor: Vendor) -> float:
        """Maximum effects per second of one business to a vendor."""
        return _rates(self.effect_rates).get(vendor, RATES[vendor])

    @property
    def own_origins(self) -> frozenset[str]:
        return frozenset(_parts(self.cors_origins))

    @field_validator("grpc_tokens")
    @classmethod
    def _are_tokens(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        read_tokens(value.get_secret_value())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for part in _parts(value):
            _network(part)  # not `*`: that would trust what any client claims
        return value

    @field_validator("base_domain")
    @classmethod
    def _is_a_domain(cls, value: str) -> str:
        domain = value.strip().strip(".").lower()
        if domain and not _DOMAIN.fullmatch(domain):
            raise ValueError("must be a domain, such as book.example.com")
        return domain

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
    """Raises ValueError for an unknown vendor and for a rate that is not a positive number."""
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
