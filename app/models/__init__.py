"""The tables, one file per aggregate; importing this package loads them all."""

from app.models.audit import ActorType, AuditEntry
from app.models.base import SCHEMA, Base, TenantScoped
from app.models.bot import Bot, BotVersion
from app.models.channel import Channel, ChannelStatus
from app.models.contact import Contact, ContactAlias
from app.models.conversation import Conversation, ConversationStatus, Owner
from app.models.event import Event
from app.models.idempotency import IdempotencyKey
from app.models.inbox import InboxItem, InboxState
from app.models.keyword_reply import KeywordReply
from app.models.knowledge import (
    DocumentKind,
    DocumentState,
    KnowledgeChunk,
    KnowledgeDocument,
    KnowledgeEmbedding,
    Language,
)
from app.models.message import (
    Attempt,
    AttemptOutcome,
    Direction,
    Message,
    Policy,
    Priority,
    Sender,
    Status,
)
from app.models.search import SearchBlock
from app.models.spend import BotSpend, SpendPeriod, SpendScope
from app.models.summary import Summary
from app.models.tenant import DailyUsage, Tenant, TenantStatus
from app.models.turn import Turn, TurnOutcome, TurnState
from app.models.user import (
    ApiKey,
    KeyMode,
    RefreshToken,
    Role,
    User,
    UserSession,
    UserStatus,
)

__all__ = [
    "SCHEMA",
    "ActorType",
    "ApiKey",
    "Attempt",
    "AttemptOutcome",
    "AuditEntry",
    "Base",
    "Bot",
    "BotSpend",
    "BotVersion",
    "Channel",
    "ChannelStatus",
    "Contact",
    "ContactAlias",
    "Conversation",
    "ConversationStatus",
    "DailyUsage",
    "Direction",
    "DocumentKind",
    "DocumentState",
    "Event",
    "IdempotencyKey",
    "InboxItem",
    "InboxState",
    "KeyMode",
    "KeywordReply",
    "KnowledgeChunk",
    "KnowledgeDocument",
    "KnowledgeEmbedding",
    "Language",
    "Message",
    "Owner",
    "Policy",
    "Priority",
    "RefreshToken",
    "Role",
    "SearchBlock",
    "Sender",
    "SpendPeriod",
    "SpendScope",
    "Status",
    "Summary",
    "Tenant",
    "TenantScoped",
    "TenantStatus",
    "Turn",
    "TurnOutcome",
    "TurnState",
    "User",
    "UserSession",
    "UserStatus",
]
