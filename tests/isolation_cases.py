"""For each call of the API: how an outsider could try to reach another tenant's rows with it."""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as field_
from typing import Any
from uuid import UUID

from app.common import clock
from app.common.ids import new_id
from app.models import (
    ApiKey,
    Bot,
    Channel,
    Conversation,
    InboxItem,
    KeywordReply,
    KnowledgeDocument,
    Message,
    Role,
    Turn,
    User,
    UserSession,
)
from tests.factories import (
    create_api_key,
    create_bot,
    create_channel,
    create_contact,
    create_conversation,
    create_document,
    create_message,
    create_session,
    create_turn,
    create_user,
    save,
)

CANARY = "canary-of-another-tenant"

Json = dict[str, Any]


@dataclass(frozen=True)
class Estate:
    """One of everything that a tenant can own, with the canary in each of its texts."""

    tenant_id: UUID
    user: User
    sign_in: UserSession
    api_key: ApiKey
    channel: Channel
    conversation: Conversation
    message: Message
    unknown_message: Message
    keyword_reply: KeywordReply
    bot: Bot
    document: KnowledgeDocument
    turn: Turn
    parked: InboxItem


def build_estate(tenant_id: UUID, role: Role = Role.OWNER) -> Estate:
    channel = create_channel(tenant_id, name=CANARY)
    address = random_number()
    contact = create_contact(tenant_id, address=address, name=CANARY, profile_name=CANARY)
    user = create_user(tenant_id, name=CANARY, role=role)
    conversation = create_conversation(
        tenant_id,
        channel=channel,
        contact=contact,
        address=address,
        last_inbound_at=clock.now(),
        owner="human",
        owner_reason=CANARY,
        assigned_to=user.id,
    )
    bot = create_bot(
        tenant_id,
        channel=channel,
        name=CANARY,
        instructions=CANARY,
        details={"note": CANARY},
        model_key_hint=CANARY,
    )
    return Estate(
        tenant_id=tenant_id,
        user=user,
        sign_in=create_session(user, address=CANARY, user_agent=CANARY),
        api_key=create_api_key(tenant_id, name=CANARY)[0],
        channel=channel,
        conversation=conversation,
        message=create_message(tenant_id, conversation=conversation, body=CANARY),
        unknown_message=create_message(
            tenant_id, conversation=conversation, body=CANARY, status="unknown", due_at=None
        ),
        keyword_reply=save(tenant_id, KeywordReply(keywords=[CANARY], reply=CANARY)),
        bot=bot,
        document=create_document(bot, title=CANARY, text=CANARY),
        turn=create_turn(
            bot,
            conversation,
            error=CANARY,
            calls=[{"name": CANARY, "arguments": {"a": CANARY}, "state": "done", "result": CANARY}],
        ),
        parked=save(
            tenant_id,
            InboxItem(
                channel_id=channel.id,
                event_key=CANARY,
                raw=CANARY,
                state="parked",
                reason=CANARY,
            ),
        ),
    )


Pick = Callable[[Estate], Any]


@dataclass(frozen=True)
class Foreign:
    """The call names a row. `path`: in its path, which may name two; else `field` of the body, or
    of the query. `asked` is the rest of the query.

    The other tenant's own value must be answered exactly like `stranger`'s, which nobody has.
    """

    pick: Pick
    status: int = 404
    body: Json | None = None
    field: str | None = None
    query: str | None = None
    asked: Json = field_(default_factory=dict)
    stranger: Callable[[], Any] = new_id


@dataclass(frozen=True)
class Own:
    """The call names no row: its answer must contain nothing of another tenant."""

    body: Json | None = None
    status: int = 200
    query: Json = field_(default_factory=dict)


def random_number() -> str:
    return f"+1666{new_id().int % 10_000_000:07d}"


def user_id(estate: Estate) -> UUID:
    return estate.user.id


def channel_id(estate: Estate) -> UUID:
    return estate.channel.id


def message_id(estate: Estate) -> UUID:
    return estate.message.id


def conversation_id(estate: Estate) -> UUID:
    return estate.conversation.id


def reply_id(estate: Estate) -> UUID:
    return estate.keyword_reply.id


def bot_id(estate: Estate) -> UUID:
    return estate.bot.id


def document_of_bot(estate: Estate) -> tuple[UUID, UUID]:
    return estate.bot.id, estate.document.id


def two_ids() -> tuple[UUID, UUID]:
    return new_id(), new_id()


def item_id(estate: Estate) -> UUID:
    return estate.parked.id


def sender(estate: Estate) -> str:
    return estate.channel.phone_number


TEMPLATE = {"to_number": "+15551234567", "content_sid": f"HX{'0' * 32}"}
CONVERSATIONS = "/api/whatsapp/conversations"
CONVERSATION = f"{CONVERSATIONS}/<uuid:conversation_id>"
MESSAGE = "/api/messages/<uuid:message_id>"
INBOX_ITEM = "/api/inbox/items/<uuid:item_id>"
BOT = "/bots/<uuid:bot_id>"
CLIENT = "/bots/clients/<string:phone>"
VERSION = f"{BOT}/versions/<int:number>"
KNOWLEDGE = f"{BOT}/knowledge"
DOCUMENT = f"{KNOWLEDGE}/<uuid:document_id>"
REPLY = "/api/keyword-replies/<uuid:reply_id>"
USER = "/tenants/me/users/<uuid:user_id>"
FORBIDDEN = 403
"""An owner is no platform administrator: refused before any id is checked."""

CASES: dict[str, tuple[Foreign | Own, ...]] = {
    "GET /auth/me": (Own(),),
    "POST /auth/logout": (Own(status=204),),
    "POST /auth/change-password": (
        Own({"current_password": "wrong", "new_password": "a new long password"}, status=422),
    ),
    "GET /auth/sessions": (Own(),),
    "DELETE /auth/sessions": (Own(status=204),),
    "DELETE /auth/sessions/<uuid:session_id>": (Foreign(lambda estate: estate.sign_in.id),),
    "POST /auth/second-factor": (Own({"current_password": "wrong"}, status=422),),
    "POST /auth/second-factor/confirm": (Own({"code": "123456"}, status=409),),
    "POST /auth/second-factor/remove": (
        Own({"current_password": "wrong", "code": "123456"}, status=422),
    ),
    "GET /auth/api-keys": (Own(),),
    "POST /auth/api-keys": (Own({"name": "mine", "scopes": ["messages:read"]}, status=201),),
    "DELETE /auth/api-keys/<uuid:key_id>": (Foreign(lambda estate: estate.api_key.id),),
    "GET /tenants": (Own(status=FORBIDDEN),),
    "POST /tenants": (Own({"name": "mine"}, status=FORBIDDEN),),
    "GET /tenants/<uuid:tenant_id>": (Foreign(lambda e: e.tenant_id, FORBIDDEN),),
    "PUT /tenants/<uuid:tenant_id>": (
        Foreign(lambda e: e.tenant_id, FORBIDDEN, {"name": "taken over"}),
    ),
    "DELETE /tenants/<uuid:tenant_id>": (Foreign(lambda e: e.tenant_id, FORBIDDEN),),
    "GET /tenants/me": (Own(),),
    "PUT /tenants/me": (Own({"name": "mine"}),),
    "GET /tenants/me/users": (Own(),),
    "POST /tenants/me/users": (
        Own(
            {
                "username": f"member-{new_id().hex}",
                "password": "a new long password",
                "role": "agent",
            },
            status=201,
        ),
    ),
    f"GET {USER}": (Foreign(user_id),),
    f"PUT {USER}": (Foreign(user_id, body={"name": "taken over"}),),
    f"DELETE {USER}": (Foreign(user_id),),
    "GET /tenants/me/audit": (Own(),),
    "GET /channels": (Own(),),
    "POST /channels": (Own({}, status=422),),
    "GET /channels/<uuid:channel_id>": (Foreign(channel_id),),
    "PUT /channels/<uuid:channel_id>": (Foreign(channel_id, body={"name": "taken over"}),),
    "DELETE /channels/<uuid:channel_id>": (Foreign(channel_id),),
    "POST /channels/<uuid:channel_id>/verify": (Foreign(channel_id),),
    "POST /api/send": (
        Own({"to_number": "+15551234567", "body": "hola"}, status=202),
        Foreign(conversation_id, body={"body": "hola"}, field="conversation_id"),
        Foreign(
            sender,
            422,
            {"to_number": "+15551234567", "body": "hola"},
            field="from_number",
            stranger=random_number,
        ),
    ),
    "POST /api/send-message": (
        Own({"phone": "+15551234567", "message": "hola", "use_queue": True}, status=202),
        Foreign(
            sender,
            422,
            {"phone": "+15551234567", "message": "hola", "use_queue": True},
            field="from_number",
            stranger=random_number,
        ),
    ),
    "POST /send_whatsapp": (
        Foreign(sender, 422, TEMPLATE, field="twilio_number", stranger=random_number),
    ),
    "GET /api/messages": (
        Own(),
        Own(query={"q": CANARY}),
        Foreign(conversation_id, 200, query="conversation_id"),
        Foreign(lambda e: e.conversation.address, 200, query="phone", stranger=random_number),
    ),
    f"GET {MESSAGE}": (Foreign(message_id),),
    f"GET {MESSAGE}/timeline": (Foreign(message_id),),
    f"POST {MESSAGE}/cancel": (Foreign(message_id),),
    f"POST {MESSAGE}/settle": (
        Foreign(lambda e: e.unknown_message.id, body={"outcome": "send_again"}),
    ),
    "GET /api/inbox/ledger": (Own(),),
    "GET /api/inbox/items": (Own(), Foreign(channel_id, 200, query="channel_id")),
    f"GET {INBOX_ITEM}": (Foreign(item_id),),
    f"POST {INBOX_ITEM}/replay": (Foreign(item_id),),
    "POST /api/inbox/replay": (
        Own({}),
        Foreign(channel_id, 200, {}, field="channel_id"),
    ),
    "POST /api/inbox/repair": (
        Own({}, status=202),
        Foreign(channel_id, body={}, field="channel_id"),
    ),
    f"GET {CONVERSATIONS}": (Own(), Foreign(user_id, 200, query="assigned_to")),
    f"GET {CONVERSATION}": (Foreign(conversation_id),),
    f"GET {CONVERSATION}/turns": (Foreign(conversation_id),),
    f"GET {CONVERSATION}/history": (Foreign(conversation_id),),
    f"POST {CONVERSATION}/close": (Foreign(conversation_id),),
    f"POST {CONVERSATION}/reopen": (Foreign(conversation_id),),
    f"POST {CONVERSATION}/take-over": (Foreign(conversation_id, body={}),),
    f"POST {CONVERSATION}/assign": (Foreign(conversation_id, body={"user_id": None}),),
    f"POST {CONVERSATION}/release": (Foreign(conversation_id, body={}),),
    "GET /api/keyword-replies": (Own(),),
    "POST /api/keyword-replies": (Own({"keywords": ["hola"], "reply": "¡Hola!"}, status=201),),
    f"GET {REPLY}": (Foreign(reply_id),),
    f"PUT {REPLY}": (Foreign(reply_id, body={"reply": "taken over"}),),
    f"DELETE {REPLY}": (Foreign(reply_id),),
    "GET /bots": (Own(),),
    "POST /bots": (
        Own({}, status=422),
        Foreign(
            sender,
            422,
            {"name": "mine"},
            field="twilio_phone_number",
            stranger=random_number,
        ),
    ),
    f"GET {BOT}": (Foreign(bot_id),),
    f"PUT {BOT}": (
        Foreign(bot_id, body={"name": "taken over"}),
        Foreign(bot_id, body={"model": {"base_url": None}}),
    ),
    f"DELETE {BOT}": (Foreign(bot_id),),
    f"POST {BOT}/refresh": (Foreign(bot_id),),
    f"POST {BOT}/reply": (Foreign(bot_id, body={"message": "hola"}),),
    f"POST {BOT}/import": (Foreign(bot_id, body={"document": {"openapi": "3.1.0"}}),),
    f"GET {BOT}/usage": (Foreign(bot_id),),
    f"POST {BOT}/replay": (Foreign(bot_id, body={"version": 1, "last": 1}),),
    f"GET {BOT}/versions": (Foreign(bot_id),),
    f"GET {CLIENT}": (Foreign(lambda e: e.conversation.address, stranger=random_number),),
    f"DELETE {CLIENT}": (Foreign(lambda e: e.conversation.address, stranger=random_number),),
    f"GET {VERSION}": (Foreign(bot_id),),
    f"POST {VERSION}/activate": (Foreign(bot_id),),
    f"GET {KNOWLEDGE}": (Foreign(bot_id),),
    f"POST {KNOWLEDGE}": (Foreign(bot_id, body={"title": "Mine", "text": "Taken over."}),),
    f"GET {KNOWLEDGE}/search": (Foreign(bot_id, asked={"q": CANARY}),),
    f"GET {DOCUMENT}": (Foreign(document_of_bot, stranger=two_ids),),
    f"PUT {DOCUMENT}": (
        Foreign(document_of_bot, body={"title": "Mine"}, stranger=two_ids),
        Foreign(document_of_bot, body={"text": "Taken over."}, stranger=two_ids),
    ),
    f"DELETE {DOCUMENT}": (Foreign(document_of_bot, stranger=two_ids),),
}
