"""The environment of the stack's processes."""

import os
from pathlib import Path

from dev.ports import LOOPBACK
from dev.postgres import APP_ROLE
from dev.settings import DevSettings
from domain.access import Permission
from runtime.service_tokens import ServiceToken

OWNER_URL = "HOLDFAST_MIGRATIONS_DATABASE_URL"
_WORKER_GRACE_SECONDS = "8"  # less than the time that the stack gives a process to end
_RATE_LIMIT = "1200"  # all demo users share one address


def child_environment(
    settings: DevSettings,
    *,
    database_url: str,
    temporal_address: str,
    jwt_key: Path,
    secrets_key: str,
    service_token: str,
    vendors: bool,
) -> dict[str, str]:
    """The caller's environment, plus the addresses of the servers; the database URL has the application's role.

    With `vendors`, the simulator replaces every vendor that the caller's environment does not configure.
    """
    environment = _without(os.environ, "TEMPORAL_") if not settings.temporal_address else dict(os.environ)
    if not settings.temporal_address:
        # The profiles in the user's configuration (TLS, namespace) do not apply to the embedded server.
        environment["TEMPORAL_CONFIG_FILE"] = os.devnull
    environment.pop(OWNER_URL, None)  # the API and the worker do not need it
    if not settings.database_url:
        environment["HOLDFAST_DATABASE_APP_ROLE"] = APP_ROLE
    environment.setdefault("HOLDFAST_WORKER_GRACEFUL_SECONDS", _WORKER_GRACE_SECONDS)
    environment.setdefault("HOLDFAST_SECRETS_KEY", secrets_key)
    everything = ServiceToken.for_token(service_token, "development", Permission)
    environment.setdefault("HOLDFAST_GRPC_TOKENS", f"[{everything.as_json()}]")
    environment.setdefault("HOLDFAST_OUTBOUND_ALLOW_LOOPBACK", "true")  # the simulators listen on loopback
    environment.setdefault("HOLDFAST_MAIL_FOLDER", str(settings.home.absolute() / "mail"))
    environment.setdefault("HOLDFAST_PUBLIC_URL", settings.api_url)
    environment.setdefault("HOLDFAST_STORAGE_FOLDER", str(settings.home.absolute() / "files"))
    if vendors:
        environment.setdefault("HOLDFAST_VENDORS_URL", settings.vendors_url)
        environment.setdefault("HOLDFAST_SMTP_URL", settings.smtp_url)
    environment.setdefault("HOLDFAST_RATE_LIMIT_PER_MINUTE", _RATE_LIMIT)
    return environment | {
        "HOLDFAST_DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": temporal_address,
        "HOLDFAST_JWT_KEY_FILE": str(jwt_key),
        "HOLDFAST_API_HOST": LOOPBACK,
        "HOLDFAST_API_PORT": str(settings.api_port),
        "HOLDFAST_GRPC_PORT": str(settings.grpc_port),
        "PYTHONUNBUFFERED": "1",
    }


def _without(environment: "os._Environ[str]", prefix: str) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(prefix)}
