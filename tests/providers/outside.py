"""A provider's side, as the contract controls it, and a channel of ours at the provider."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from app import db
from app.bots import service as bots
from app.channels.providers.base import Json
from app.delivery import settle
from app.delivery.claims import Queue
from app.inbox import apply
from app.messages import attempt_token, repository
from app.messages.attempt_token import AttemptRef
from app.models import Message, Status, Tenant
from tests.factories import ApiClient
from tests.webhook.twilio_posts import Signed
from tests.world import engine_of_tests


class Fate(StrEnum):
    """The outcome of a send at the provider."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_NOW = "not now: surely not processed, and the channel should slow down"
    BAD_CREDENTIALS = "the credentials are rejected"
    PROCESSED_WITHOUT_ANSWER = "processed, but nobody is told"
    LOST_WITHOUT_ANSWER = "not processed, and nobody is told"


@dataclass(frozen=True)
class Receipt:
    """A provider's report on a message. `token` is the attempt's token, or "" if it is lost."""

    provider_message_id: str
    token: str
    status: Status


@dataclass(frozen=True)
class Written:
    """A message that a person wrote."""

    provider_message_id: str
    person: str
    body: str


class Outside(Protocol):
    """The side of one provider, with an account and a sender of ours."""

    provider: str
    phone_number: str
    credentials: Json

    def person(self, fate: Fate) -> str:
        """Return a phone number to which every send has this outcome."""
        ...

    def processed(self) -> Sequence[str]:
        """Return the tokens of the attempts that the provider processed, in order."""
        ...

    def tell(self, webhook_path: str, facts: Sequence[Receipt | Written]) -> Sequence[Signed]:
        """Return signed requests that report these facts: one for all, if the provider combines
        them."""
        ...

    def handshake(self, webhook_path: str, *, is_right: bool) -> str | None:
        """Return the URL of a handshake with a right or a wrong verify token, or None if the
        provider has no handshake. The answer to the right one is `42`."""
        ...


@dataclass
class ProviderChannel:
    """A tenant's channel at the provider."""

    app: Flask
    tenant: Tenant
    owner: ApiClient
    outside: Outside
    channel_id: UUID
    webhook_path: str

    def send(self, fate: Fate = Fate.ACCEPTED, body: str = "¡Hola!") -> UUID:
        answer = self.owner.post(
            "/api/send", {"to_number": self.outside.person(fate), "body": body}
        )
        assert answer.status_code == 202, answer.json
        return UUID(answer.json["message_id"])

    def deliver(self) -> None:
        engine_of_tests().wake(Queue(self.tenant.id, self.channel_id))
        assert engine_of_tests().wait_until_idle(30)

    def message(self, message_id: UUID) -> Message:
        with db.tenant_session(self.tenant.id) as session:
            found = repository.get(session, self.tenant.id, message_id)
            assert found is not None
            return found

    def settle(self) -> None:
        """Settle all uncertain messages, as if their wait were over."""
        self.sql("update recado.messages set lease_until = now() where lease_until is not null")
        while settle.settle_some(self.tenant.id, self.channel_id):
            pass

    def tell(self, *facts: Receipt | Written) -> list[TestResponse]:
        hooks = self.outside.tell(self.webhook_path, facts)
        return [hook.send(self.app) for hook in hooks]

    def apply(self) -> None:
        while apply.apply_due(self.tenant.id):
            pass

    def add_bot(self, **fields: Any) -> None:
        number = self.outside.phone_number
        made = self.owner.post("/bots", {"name": "B", "twilio_phone_number": number, **fields})
        assert made.status_code == 201, made.text

    def run_turns(self) -> None:
        """Let bots answer in every conversation."""
        for row in self.sql("select id from recado.conversations"):
            bots.run_turn(self.tenant.id, row.id)

    def token(self, message_id: UUID, attempt: int = 1) -> str:
        return attempt_token.make(self.tenant.id, AttemptRef(message_id, attempt))

    def receipt(self, message_id: UUID, status: Status, *, is_named: bool = True) -> Receipt:
        """Return a receipt for the message; with `is_named` it has the attempt's token."""
        provider_id = self.message(message_id).provider_message_id or f"SM{message_id.hex}"
        return Receipt(provider_id, self.token(message_id) if is_named else "", status)

    def heard(self) -> list[str]:
        rows = self.sql(
            "select body from recado.messages where direction = 'incoming' order by body"
        )
        return [row.body for row in rows]

    def sql(self, statement: str) -> list[Any]:
        with db.tenant_session(self.tenant.id) as session:
            result: Any = session.execute(text(statement))
            return list(result) if result.returns_rows else []
