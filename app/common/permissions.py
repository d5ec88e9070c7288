"""Permissions, and the roles and API key scopes that grant them."""

from enum import StrEnum

from app.models import Role


class Permission(StrEnum):
    """Each guards at least one route. Stored keys may hold scopes that are gone: they grant
    nothing."""

    MESSAGES_READ = "messages:read"
    MESSAGES_SEND = "messages:send"
    CONVERSATIONS_READ = "conversations:read"
    CONVERSATIONS_WRITE = "conversations:write"
    CHANNELS_READ = "channels:read"
    CHANNELS_WRITE = "channels:write"
    BOTS_READ = "bots:read"
    """Reading bots and keyword replies."""
    BOTS_WRITE = "bots:write"
    """Changing bots and keyword replies, and trying a bot."""
    TENANT_READ = "tenant:read"
    TENANT_WRITE = "tenant:write"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    API_KEYS_READ = "api_keys:read"
    API_KEYS_WRITE = "api_keys:write"
    AUDIT_READ = "audit:read"
    INBOX_READ = "inbox:read"
    INBOX_WRITE = "inbox:write"
    PROFILE = "profile"
    """Reading who one is. Every caller has it."""
    ACCOUNT = "account"
    """One's own password and session. Every signed-in person has it, and no API key."""
    PLATFORM = "platform"
    """Managing the tenants of the whole installation."""


VIEWER = frozenset(
    {
        Permission.PROFILE,
        Permission.ACCOUNT,
        Permission.MESSAGES_READ,
        Permission.CONVERSATIONS_READ,
        Permission.CHANNELS_READ,
        Permission.BOTS_READ,
        Permission.TENANT_READ,
    }
)
AGENT = VIEWER | {
    Permission.MESSAGES_SEND,
    Permission.CONVERSATIONS_WRITE,
}
OWNER = frozenset(Permission) - {Permission.PLATFORM}
ADMIN = OWNER - {Permission.TENANT_WRITE}

OF_ROLE: dict[Role, frozenset[Permission]] = {
    Role.PLATFORM_ADMIN: frozenset(Permission),
    Role.OWNER: OWNER,
    Role.ADMIN: ADMIN,
    Role.AGENT: AGENT,
    Role.VIEWER: VIEWER,
}

WITHOUT_SECOND_FACTOR = frozenset({Permission.PROFILE, Permission.ACCOUNT})
"""What a person may do who has to set up a second factor first."""

SCOPES = frozenset(
    {
        Permission.MESSAGES_READ,
        Permission.MESSAGES_SEND,
        Permission.CONVERSATIONS_READ,
        Permission.CONVERSATIONS_WRITE,
        Permission.CHANNELS_READ,
        Permission.CHANNELS_WRITE,
        Permission.BOTS_READ,
        Permission.BOTS_WRITE,
        Permission.TENANT_READ,
    }
)
"""The permissions that an API key may have: none that creates keys, people or tenants."""

TEST_SCOPES = frozenset(
    {each for each in SCOPES if each.endswith(":read")} | {Permission.MESSAGES_SEND}
)
"""The permissions that a test key may have: it reads the settings, sends and reads test messages,
and changes nothing else."""
