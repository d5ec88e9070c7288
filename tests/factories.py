"""`create_x(**overrides)`: rows made in real, committed transactions of their tenant.

A function that needs a parent takes its id first. Names that must be unique in the installation are
random, because tests do not clean up.
"""

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from flask import Flask
from werkzeug.test import TestResponse

from app import db
from app.auth import passwords, tokens
from app.auth.api_keys import hash_key, random_letters
from app.auth.tokens import TokenFacts, TokenType
from app.bots.definition import Definition, to_json
from app.common import clock, vault
from app.common.ids import new_id, new_secret
from app.common.permissions import SCOPES
from app.knowledge import chunks, storing
from app.models import (
    ApiKey,
    Bot,
    BotVersion,
    Channel,
    Contact,
    ContactAlias,
    Conversation,
    Direction,
    DocumentKind,
    KeyMode,
    KnowledgeDocument,
    Message,
    Owner,
    Priority,
    RefreshToken,
    Role,
    Sender,
    Status,
    Tenant,
    Turn,
    TurnOutcome,
    TurnState,
    User,
    UserSession,
)

PASSWORD = "a long enough password"
TWILIO_AUTH_TOKEN = "0123456789abcdef0123456789abcdef"


@lru_cache
def password_hash(password: str) -> str:
    """Hashing takes a tenth of a second; once per password is enough."""
    return passwords.hash_password(password)


def create_tenant(**overrides: Any) -> Tenant:
    tenant_id = overrides.pop("tenant_id", None) or new_id()
    values = {
        "name": f"Tenant {random_letters(6)}",
        "data_key": vault.new_wrapped_data_key(tenant_id),
    }
    with db.tenant_session(tenant_id) as session:
        tenant = Tenant(**{"tenant_id": tenant_id, **values, **overrides})
        session.add(tenant)
        session.flush()
        session.refresh(tenant)
    return tenant


def save(tenant_id: UUID, row: Any) -> Any:
    """Insert the row in a transaction of its tenant and read back what the database filled in."""
    with db.tenant_session(tenant_id) as session:
        session.add(row)
        session.flush()
        session.refresh(row)
    return row


def create_user(tenant_id: UUID, *, password: str = PASSWORD, **overrides: Any) -> User:
    values = {"username": f"user-{random_letters(10)}", "role": Role.OWNER}
    if "password_hash" not in overrides:
        values["password_hash"] = password_hash(password)
    user: User = save(tenant_id, User(**{**values, **overrides}))
    return user


def create_session(user: User, **overrides: Any) -> UserSession:
    """A sign-in of this user."""
    values = {"user_id": user.id, "expires_at": clock.now() + timedelta(days=30)}
    row: UserSession = save(user.tenant_id, UserSession(**{**values, **overrides}))
    return row


def create_refresh_token(sign_in: UserSession, **overrides: Any) -> RefreshToken:
    now = clock.now()
    values = {"session_id": sign_in.id, "issued_at": now, "expires_at": now + timedelta(days=30)}
    row: RefreshToken = save(sign_in.tenant_id, RefreshToken(**{**values, **overrides}))
    return row


def token_facts(user: User, sign_in: UserSession, **overrides: Any) -> TokenFacts:
    """Return the facts of an access token of this sign-in, valid for 15 minutes."""
    now = clock.now()
    values = {
        "type": TokenType.ACCESS,
        "id": new_id(),
        "user_id": user.id,
        "tenant_id": user.tenant_id,
        "session_id": sign_in.id,
        "role": str(user.role),
        "issued_at": now,
        "expires_at": now + timedelta(minutes=15),
    }
    return TokenFacts(**{**values, **overrides})


def create_access_token(app: Flask, user: User, **overrides: Any) -> str:
    """Return an access token of a new sign-in of this user, without the cost of a password."""
    facts = token_facts(user, create_session(user), **overrides)
    with app.app_context():
        return tokens.encode(facts)


def client_of(app: Flask, user: User) -> "ApiClient":
    """Return a client that is signed in as this user."""
    return ApiClient(app, create_access_token(app, user))


def create_api_key(tenant_id: UUID, **overrides: Any) -> tuple[ApiKey, str]:
    """Create an API key; return its row and its full text."""
    mode = overrides.get("mode", KeyMode.LIVE)
    prefix = random_letters(12)
    key = f"rk_{mode}_{prefix}_{random_letters(43)}"
    values = {
        "name": "Test suite",
        "mode": mode,
        "prefix": prefix,
        "secret_hash": hash_key(key),
        "scopes": sorted(map(str, SCOPES)),
    }
    return save(tenant_id, ApiKey(**{**values, **overrides})), key


def create_channel(
    tenant_id: UUID, *, credentials: dict[str, str] | None = None, **overrides: Any
) -> Channel:
    """Create a Twilio channel; `credentials` is encrypted as the service does it."""
    channel_id = new_id()
    account = overrides.get("account", f"AC{new_id().hex}")
    credentials = credentials or {"account_sid": account, "auth_token": TWILIO_AUTH_TOKEN}
    values = {
        "id": channel_id,
        "name": "Main number",
        "provider": "twilio",
        "account": account,
        "phone_number": f"+1555{new_id().int % 10_000_000:07d}",
        "key": new_secret(24),
        "credential_hints": {name: text[-4:] for name, text in credentials.items()},
    }
    with db.tenant_session(tenant_id) as session:
        plain = json.dumps(credentials).encode()
        sealed = vault.seal(session, "channels", "credentials", channel_id, plain)
        channel = Channel(**{**values, "credentials": sealed, **overrides})
        session.add(channel)
        session.flush()
        session.refresh(channel)
    return channel


def create_bot(tenant_id: UUID, *, channel: Channel | None = None, **overrides: Any) -> Bot:
    """Create a bot with one version; the fields of a definition may be among the overrides."""
    channel = channel or create_channel(tenant_id)
    names = {each.name for each in fields(Definition)} & set(overrides)
    given = {name: overrides.pop(name) for name in names}
    definition = Definition(**{"openai_model": "gpt-6-luna", **given})
    values = {"name": "Orders", "channel_id": channel.id, "version": 1, "latest_version": 1}
    bot: Bot = save(tenant_id, Bot(**{**values, **overrides}))
    stored = to_json(definition)
    save(
        tenant_id,
        BotVersion(bot_id=bot.id, number=bot.version, definition=stored, created_by="Ana"),
    )
    return bot


def create_turn(bot: Bot, conversation: Conversation, **overrides: Any) -> Turn:
    """Create a turn that was answered."""
    now = clock.now()
    values = {
        "bot_id": bot.id,
        "conversation_id": conversation.id,
        "state": TurnState.FINISHED,
        "outcome": TurnOutcome.ANSWERED,
        "due_at": now,
        "started_at": now,
        "finished_at": now,
    }
    row: Turn = save(bot.tenant_id, Turn(**{**values, **overrides}))
    return row


def create_document(
    bot: Bot, *, text: str = "Shipping costs $99.", **overrides: Any
) -> KnowledgeDocument:
    """Create a document of this bot that is ready."""
    raw = text.encode()
    values = {
        "id": new_id(),
        "title": "Shipping",
        "kind": DocumentKind.TEXT,
        "size": len(raw),
        "sha256": hashlib.sha256(raw).digest(),
    }
    row = KnowledgeDocument(bot_id=bot.id, **{**values, **overrides})
    with db.tenant_session(bot.tenant_id) as session:
        session.add(row)
        storing.store(session, row, chunks.split(text))
        session.flush()
        session.refresh(row)
    return row


def create_contact(
    tenant_id: UUID, *, address: str | None = None, kind: str = "phone", **overrides: Any
) -> Contact:
    """Create a contact with one alias: `address`, else a random number."""
    contact: Contact = save(tenant_id, Contact(**overrides))
    value = address or f"+5255{new_id().int % 100_000_000:08d}"
    save(tenant_id, ContactAlias(contact_id=contact.id, kind=kind, value=value))
    return contact


def create_conversation(
    tenant_id: UUID,
    *,
    channel: Channel | None = None,
    contact: Contact | None = None,
    **overrides: Any,
) -> Conversation:
    channel = channel or create_channel(tenant_id)
    contact = contact or create_contact(tenant_id)
    values = {
        "channel_id": channel.id,
        "contact_id": contact.id,
        "address": "+525512345678",
        "owner": Owner.NOBODY,
    }
    row: Conversation = save(tenant_id, Conversation(**{**values, **overrides}))
    return row


def create_message(
    tenant_id: UUID, *, conversation: Conversation | None = None, **overrides: Any
) -> Message:
    """Create an outgoing text, queued by default."""
    conversation = conversation or create_conversation(tenant_id)
    values: dict[str, Any] = {
        "channel_id": conversation.channel_id,
        "conversation_id": conversation.id,
        "contact_id": conversation.contact_id,
        "direction": Direction.OUTGOING,
        "status": Status.QUEUED,
        "sender": Sender.API,
        "from_number": "+14155238886",
        "to_number": conversation.address,
        "type": "text",
        "body": "¡Hola!",
        "content": {},
        "priority": Priority.NOTICE,
        "due_at": overrides.get("created_at") or clock.now(),
    }
    row: Message = save(tenant_id, Message(**{**values, **overrides}))
    return row


class Answer(TestResponse):
    """A test response whose JSON may be accessed without a type check."""

    if TYPE_CHECKING:

        @property
        def json(self) -> Any: ...


@dataclass(frozen=True)
class ApiClient:
    """Speaks JSON to the app as one caller, or as nobody; returns Flask's test responses.

    `client.post("/api/send", {"to_number": …}, idempotency_key="k1")`
    """

    app: Flask
    token: str | None = None
    signed_user: User | None = None

    @property
    def user(self) -> User:
        if self.signed_user is None:
            raise AssertionError("nobody is signed in")
        return self.signed_user

    @property
    def tenant_id(self) -> UUID:
        return self.user.tenant_id

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if idempotency_key is not None:
            sent["Idempotency-Key"] = idempotency_key
        answer = self.app.test_client().open(
            path, method=method, json=body, query_string=query, headers=sent
        )
        return cast(Answer, answer)

    def get(self, path: str, **kwargs: Any) -> Answer:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> Answer:
        return self.request("POST", path, body, **kwargs)

    def put(self, path: str, body: Any = None, **kwargs: Any) -> Answer:
        return self.request("PUT", path, body, **kwargs)

    def patch(self, path: str, body: Any = None, **kwargs: Any) -> Answer:
        return self.request("PATCH", path, body, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Answer:
        return self.request("DELETE", path, **kwargs)
