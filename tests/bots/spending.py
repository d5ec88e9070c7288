"""What was spent of the budgets of bots, and a turn that spends."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app import db
from app.bots import budget
from app.bots.budget import Account, Hold, Settlement, Try
from app.bots.limits import Limits
from app.bots.spend_repository import Amount
from app.models import Bot, Conversation, TurnState
from tests.factories import create_bot, create_channel, create_conversation, create_turn

NO_LIMITS = Limits()


@dataclass
class Spender:
    """A turn in progress, and the account that pays for its calls."""

    tenant_id: UUID
    conversation: Conversation
    account: Account
    attempt: Try

    def reserve(self, wanted: Amount, ended: Settlement | None = None) -> Hold:
        with db.tenant_session(self.tenant_id) as session:
            return budget.reserve(session, self.account, self.attempt, wanted, ended)

    def settle(self, hold: Hold, used: Amount) -> None:
        with db.tenant_session(self.tenant_id) as session:
            budget.settle(session, self.ended(hold, used))

    def ended(self, hold: Hold, used: Amount) -> Settlement:
        return Settlement(self.account, self.attempt, hold, used)

    def spend(self, tokens: int) -> None:
        self.settle(self.reserve(Amount(tokens)), Amount(tokens))


def spender(
    bot: Bot, tenant: Limits = NO_LIMITS, own: Limits = NO_LIMITS, **fields: Any
) -> Spender:
    """Return a running turn of this bot in a conversation with a new contact."""
    conversation = create_conversation(bot.tenant_id, channel=create_channel(bot.tenant_id))
    turn = create_turn(bot, conversation, state=TurnState.RUNNING, tries=1, outcome=None)
    values = {"timezone": "America/Mexico_City", "tenant": tenant, "bot": own, **fields}
    account = Account(bot.id, conversation.contact_id, **values)
    return Spender(bot.tenant_id, conversation, account, Try(turn.id, 1))


def new_bot(tenant_id: UUID) -> Bot:
    return create_bot(tenant_id, channel=create_channel(tenant_id))


def counted(tenant_id: UUID, scope: str = "tenant", period: str = "day") -> tuple[int, int]:
    """Return the tokens (spent, reserved) of all counters of this kind."""
    query = (
        "select coalesce(sum(tokens), 0)::int, coalesce(sum(reserved_tokens), 0)::int"
        f" from recado.bot_spend where scope = '{scope}' and period = '{period}'"
    )
    with db.tenant_session(tenant_id) as session:
        found = session.execute(text(query)).one()
    return found[0], found[1]


def dollars(tenant_id: UUID) -> Decimal:
    query = "select dollars from recado.bot_spend where scope = 'tenant' and period = 'month'"
    with db.tenant_session(tenant_id) as session:
        found: Decimal = session.execute(text(query)).scalar_one()
    return found


def told(tenant_id: UUID, kind: str = "bot.budget") -> list[tuple[Any, ...]]:
    """Return (event, scope, period, unit, used, limit) of each event about budgets."""
    query = "select type, data from recado.events where starts_with(type, :kind) order by id"
    with db.tenant_session(tenant_id) as session:
        rows = session.execute(text(query), {"kind": kind}).all()
    names = ("scope", "period", "unit", "used", "limit")
    return [(row.type, *(row.data[name] for name in names)) for row in rows]
