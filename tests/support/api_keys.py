"""Programs with API keys."""

from uuid import uuid4

from sqlalchemy import insert

from api.identity.credentials import KEY_MARK, PREFIX_LENGTH
from db.models import ApiKey
from domain.accounts import token_hash
from domain.callers import Scope
from runtime.ids import new_id
from tests.support.api_client import ApiClient
from tests.support.stage import Stage


async def key_holder(stage: Stage, *scopes: Scope) -> ApiClient:
    """A program of this business with a key of these scopes."""
    return stage.api.with_token(await make_key(stage, *scopes))


async def make_key(stage: Stage, *scopes: Scope) -> str:
    """A key of this business with these scopes."""
    key = KEY_MARK + uuid4().hex * 2
    async with stage.engine.begin() as conn:
        await conn.execute(
            insert(ApiKey).values(
                id=new_id(),
                business_id=stage.tenant.business_id,
                name=key,
                prefix=key[:PREFIX_LENGTH],
                secret_hash=token_hash(key),
                scopes=list(scopes),
                created_by=stage.tenant.principals["owner"].user_id,
            )
        )
    return key
