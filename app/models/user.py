from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TenantScoped, belongs_to_tenant, one_of, refers_to


class Role(StrEnum):
    PLATFORM_ADMIN = "platform_admin"
    OWNER = "owner"
    ADMIN = "admin"
    AGENT = "agent"
    VIEWER = "viewer"


class UserStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


class User(TenantScoped):
    """A person who signs in. Usernames are unique in the whole installation."""

    __tablename__ = "users"
    __table_args__ = (
        belongs_to_tenant(),
        one_of("role", Role),
        one_of("status", UserStatus),
        # Sign-in: the username is given before the tenant is known, so it is unique across tenants.
        Index("uq_users_username", text("lower(username)"), unique=True),
    )

    username: Mapped[str]
    name: Mapped[str] = mapped_column(default="")
    role: Mapped[str]
    status: Mapped[str] = mapped_column(default=UserStatus.ACTIVE)
    password_hash: Mapped[str]
    last_login_at: Mapped[datetime | None]
    totp_secret: Mapped[bytes | None]
    """Of the authenticator app, sealed."""
    totp_since: Mapped[datetime | None]
    """When the second factor was confirmed; it is asked for since then."""
    totp_step: Mapped[int | None] = mapped_column(BigInteger)
    """The 30 seconds, counted since 1970, of the last code that was accepted."""
    recovery_codes: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    """Hashes of the codes that are left."""
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())

    @property
    def has_second_factor(self) -> bool:
        return self.totp_since is not None


class UserSession(TenantScoped):
    """One sign-in, with all refresh tokens that descend from it. It is revoked as a whole."""

    __tablename__ = "user_sessions"
    __table_args__ = (
        belongs_to_tenant(),
        refers_to("users", "user_id", "CASCADE"),
        # Revoking all sessions of one user.
        Index("ix_user_sessions_user_id", "tenant_id", "user_id"),
        # Clean-up of expired sessions.
        Index("ix_user_sessions_expires_at", "tenant_id", "expires_at"),
    )

    user_id: Mapped[UUID]
    address: Mapped[str] = mapped_column(default="", server_default="")
    """The network that it was last used from."""
    user_agent: Mapped[str] = mapped_column(default="", server_default="")
    used_at: Mapped[datetime | None]
    """When its tokens were last exchanged."""
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None]


class RefreshToken(TenantScoped):
    """One refresh token, by its `jti`. It is used once, and then points to its successor."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        belongs_to_tenant(),
        refers_to("user_sessions", "session_id", "CASCADE"),
        # Cascades and clean-up of one session.
        Index("ix_refresh_tokens_session_id", "tenant_id", "session_id"),
        # Clean-up of expired tokens.
        Index("ix_refresh_tokens_expires_at", "tenant_id", "expires_at"),
    )

    session_id: Mapped[UUID]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    successor_id: Mapped[UUID | None]


class KeyMode(StrEnum):
    LIVE = "live"
    TEST = "test"


class ApiKey(TenantScoped):
    """A key for machines. Only its hash is stored; `prefix` finds it and may be shown."""

    __tablename__ = "api_keys"
    __table_args__ = (
        belongs_to_tenant(),
        one_of("mode", KeyMode),
        # Sign-in by key, before the tenant is known; the prefix is 12 random characters.
        Index("uq_api_keys_prefix", "prefix", unique=True),
    )

    name: Mapped[str]
    mode: Mapped[str]
    prefix: Mapped[str]
    secret_hash: Mapped[str]
    scopes: Mapped[list[str]]
    created_by: Mapped[UUID | None]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
