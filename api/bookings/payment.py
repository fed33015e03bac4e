"""Payment methods as they are stored."""

from api.deps import AppState
from domain.errors import PaymentUnavailableError
from runtime.secrets import Secrets, SecretsKeyMissingError


def encrypted_method(app: AppState, method: str) -> str:
    """The gateway's token, encrypted.

    Raises:
        PaymentUnavailableError: there is no key to encrypt it with.
    """
    try:
        return Secrets(app.settings.secrets_key).encrypt(method)
    except SecretsKeyMissingError as error:
        raise PaymentUnavailableError from error
