"""Authentication: sessions, tokens, API keys, and pending registrations and password resets."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, Key, Moment

_HASH_BYTES = 32


class Session(Base):
    """One login. Ending it invalidates all its tokens, however often they were refreshed."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index("ix_sessions_user_id", "user_id"),
        Index("ix_sessions_expires_at", "expires_at"),
        CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="an_end_has_a_reason"),
    )

    id: Mapped[Key]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Created]
    expires_at: Mapped[Moment]
    """When its last refresh token expires."""
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    end_reason: Mapped[str | None] = mapped_column(String(20))
    """`logout`, `logout_everywhere`, `password_changed`, `password_reset` or `token_reused`."""


class RefreshToken(Base):
    """A refresh token, stored only as a hash."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index("ix_refresh_tokens_session_id", "session_id"),
        Index("ix_refresh_tokens_expires_at", "expires_at"),
    )

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(_HASH_BYTES), primary_key=True)
    """SHA-256 is enough: a token is 32 random bytes, which nobody can guess."""
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    created_at: Mapped[Created]
    expires_at: Mapped[Moment]
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    superseded_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When another token of the session was used first; using this one afterwards counts as reuse."""


class AccountRequest(Base):
    """A request for an account or a new password. It looks the same whether or not the address has an account."""

    __tablename__ = "account_requests"
    __table_args__ = (
        CheckConstraint("kind IN ('register', 'reset')", name="kind_is_known"),
        CheckConstraint(
            "(kind = 'register') = (name IS NOT NULL AND password_hash IS NOT NULL)", name="registering_needs_more"
        ),
        Index("ix_account_requests_expires_at", "expires_at"),
        Index("ix_account_requests_unsent", "id", postgresql_where=text("sent_at IS NULL")),
    )

    id: Mapped[Key]
    kind: Mapped[str] = mapped_column(String(20))
    email: Mapped[str] = mapped_column(String(254))
    """Lower case."""
    name: Mapped[str | None] = mapped_column(String(200))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[Created]
    expires_at: Mapped[Moment]
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When it was processed: the message was sent, or there was nobody to send one to."""
    done_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When its token was used."""


class AccountToken(Base):
    """A token sent for a request, stored as a hash. A repeated message has its own token."""

    __tablename__ = "account_tokens"
    __table_args__ = (Index("ix_account_tokens_request_id", "request_id"),)

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(_HASH_BYTES), primary_key=True)
    request_id: Mapped[UUID] = mapped_column(ForeignKey("account_requests.id", ondelete="CASCADE"))
    created_at: Mapped[Created]


class LoginAttempts(Base):
    """Failed or pending login attempts and requested messages, counted by account and by address."""

    __tablename__ = "login_attempts"
    __table_args__ = (Index("ix_login_attempts_last_at", "last_at"),)

    subject: Mapped[str] = mapped_column(String(80), primary_key=True)
    """What is counted, and a keyed hash of whose: no addresses are stored, nor accounts that may not exist."""
    failures: Mapped[int]
    last_at: Mapped[Moment]
    free_at: Mapped[Moment]
    """Attempts before this moment are refused."""


class ApiKey(Base):
    """A program's access to one business."""

    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("prefix"),
        Index(
            "uq_api_keys_business_id_name",
            "business_id",
            "name",
            unique=True,
            postgresql_where=text("revoked_at IS NULL"),
        ),
        Index("ix_api_keys_business_id_id", "business_id", "id"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(20))
    """The start of the key, by which it is found and shown."""
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(_HASH_BYTES))
    """SHA-256 of the whole key."""
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(40)))
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Created]
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """To the minute."""
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
