"""Which service calls, by `x-internal-token`, and what its token allows."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from starlette.datastructures import Headers

from domain.access import PERMITTED, Permission
from domain.callers import KeyHolder
from domain.errors import ForbiddenError, UnauthenticatedError
from runtime.service_tokens import ServiceToken

HEADER: Final = "x-internal-token"
_SERVICES: Final = UUID("5f0c1a52-33a4-4d5e-9a3c-6c1d0f6f7b11")
"""Namespace of the ids of services: a service keeps its id when its token is replaced."""
_NAMES: Final = ("x509_common_name", "x509_subject_alternative_name")


@dataclass(frozen=True, slots=True)
class Service:
    """A calling service, as its token describes it."""

    token: ServiceToken

    def require(self, permission: Permission) -> None:
        """Refuse what the token does not allow, for whomever the service calls.

        Raises:
            ForbiddenError: it lacks the permission.
        """
        if permission not in self.token.permissions:
            raise ForbiddenError(f"The token of the service {self.token.name} lacks the permission {permission}.")

    @property
    def own_caller(self) -> KeyHolder | None:
        """As whom it acts when it calls for nobody: as its business's API key with those scopes would."""
        if self.token.business_id is None:
            return None
        scopes = {PERMITTED[permission].scope for permission in self.token.permissions}
        return KeyHolder(
            key_id=service_id(self.token.name),
            business_id=self.token.business_id,
            scopes=frozenset(scope for scope in scopes if scope is not None),
            is_configured=True,
        )


def service_id(name: str) -> UUID:
    """The id of a service that acts for itself, as the audit log has it."""
    return uuid5(_SERVICES, name)


class Services:
    """The services that may call."""

    def __init__(self, tokens: Sequence[ServiceToken]) -> None:
        self._tokens = tokens

    def identify(self, metadata: Headers, connection: Mapping[str, Iterable[bytes]]) -> Service:
        """The service whose token the call carries; `connection` has what its TLS client certificate says.

        Raises:
            UnauthenticatedError: there is no valid token, or it belongs to another certificate.
        """
        if not self._tokens:
            raise UnauthenticatedError("No service may call: HOLDFAST_GRPC_TOKENS has no token.")
        sent = metadata.getlist(HEADER)
        if len(sent) != 1:
            raise UnauthenticatedError(f"Send the token of your service as `{HEADER}`, once.")
        token = self._find(sent[0])
        if token is None:
            raise UnauthenticatedError("The token of the service is not valid.")
        if token.certificate_name is not None and token.certificate_name not in _names_in(connection):
            raise UnauthenticatedError("The token belongs to another client certificate.")
        return Service(token)

    def _find(self, sent: str) -> ServiceToken | None:
        """Compares with every token, each in constant time: how long it takes tells nothing."""
        found, digest = None, hashlib.sha256(sent.encode()).hexdigest()
        for token in self._tokens:
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found


def _names_in(connection: Mapping[str, Iterable[bytes]]) -> set[str]:
    return {name.decode(errors="replace") for key in _NAMES for name in connection.get(key, ())}
