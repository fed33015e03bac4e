"""Businesses' own message templates."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, execute, row, row_or_none, rows
from domain.messages import Occasion, Template

_COLUMNS = "kind, audience, channel, language, subject, body, html, updated_at"
_OF_ONE = """business_id = :business_id AND kind = :kind AND audience = :audience AND channel = :channel"""

_LIST = text(f"SELECT {_COLUMNS} FROM message_templates WHERE business_id = :business_id")  # noqa: S608
_FIND = text(f"SELECT {_COLUMNS} FROM message_templates WHERE {_OF_ONE} AND language = :language")  # noqa: S608
_OF_OCCASION = text(f"SELECT {_COLUMNS} FROM message_templates WHERE {_OF_ONE}")  # noqa: S608
_SAVE = text(f"""
INSERT INTO message_templates (business_id, kind, audience, channel, language, subject, body, html)
VALUES (:business_id, :kind, :audience, :channel, :language, CAST(:subject AS text), :body, CAST(:html AS text))
ON CONFLICT (business_id, kind, audience, channel, language)
    DO UPDATE SET subject = excluded.subject, body = excluded.body, html = excluded.html, updated_at = now()
RETURNING {_COLUMNS}
""")  # noqa: S608
_DELETE = text(f"DELETE FROM message_templates WHERE {_OF_ONE} AND language = :language")  # noqa: S608

_OWN_EMAILS_ARE_SENT = text("""
SELECT b.approved_at IS NOT NULL OR EXISTS (
    SELECT FROM integrations WHERE business_id = b.id AND port = 'email' AND enabled) AS are_sent
FROM businesses b WHERE b.id = :business_id
""")


async def own_emails_are_sent(conn: AsyncConnection, business_id: UUID) -> bool:
    """Whether the business's own templates are used: it has its own mail vendor, or was approved."""
    return bool((await row(conn, _OWN_EMAILS_ARE_SENT, {"business_id": business_id}))["are_sent"])


async def list_all(conn: AsyncConnection, business_id: UUID) -> Sequence[Row]:
    """All templates of a business."""
    return await rows(conn, _LIST, {"business_id": business_id})


async def list_of_occasion(conn: AsyncConnection, business_id: UUID, occasion: Occasion) -> Sequence[Row]:
    """The business's templates for this occasion, in all languages."""
    return await rows(conn, _OF_OCCASION, _names(business_id, occasion))


async def find(conn: AsyncConnection, business_id: UUID, occasion: Occasion, language: str) -> Row | None:
    """The business's template for this occasion and language."""
    return await row_or_none(conn, _FIND, _names(business_id, occasion, language))


async def save(conn: AsyncConnection, business_id: UUID, occasion: Occasion, template: Template) -> Row:
    """Add or replace a template."""
    words = {"subject": template.subject, "body": template.body, "html": template.html}
    return await row(conn, _SAVE, _names(business_id, occasion, template.language) | words)


async def delete(conn: AsyncConnection, business_id: UUID, occasion: Occasion, language: str) -> None:
    """Delete a template; the built-in one is used again."""
    await execute(conn, _DELETE, _names(business_id, occasion, language))


def _names(business_id: UUID, occasion: Occasion, language: str | None = None) -> dict[str, object]:
    return {
        "business_id": business_id,
        "kind": occasion.kind,
        "audience": occasion.audience,
        "channel": occasion.channel,
        "language": language,
    }
