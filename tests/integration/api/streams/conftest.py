"""What the tests of live streams share."""

import time
from collections.abc import Callable

import pytest

from api.identity.signing_keys import load_keys
from api.identity.tokens import Tokens
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.stage import Stage

TokenOf = Callable[..., str]


def token_in(client: ApiClient) -> str:
    """The token that a client sends."""
    return client.headers()["Authorization"].removeprefix("Bearer ")


@pytest.fixture
def token_of(stage: Stage, settings: Settings) -> TokenOf:
    """`token_of(name, seconds=…)`: the token of a person of the stage's business, which ends after so long."""

    def issue(name: str, seconds: float = 900) -> str:
        late = settings.access_token_minutes * 60 - seconds
        tokens = Tokens(load_keys(settings), settings, clock=lambda: time.time() - late)
        user_id = stage.tenant.principals[name].user_id
        return tokens.issue(user_id, user_id)

    return issue
