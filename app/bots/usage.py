"""What a bot and all bots of its tenant have spent today and this month, and what is left."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.ai.catalogue import catalogue
from app.bots import budget, manage
from app.bots import spend_repository as repository
from app.bots.accounts import account_for
from app.bots.budget import Account
from app.bots.spend_repository import Counter
from app.models import SpendPeriod, SpendScope


@dataclass(frozen=True)
class Used:
    """`reserved` belongs to calls that have not ended. `limit` and `left` are None without a
    limit."""

    used: Decimal
    reserved: Decimal
    limit: Decimal | None
    left: Decimal | None


@dataclass(frozen=True)
class PeriodUsage:
    starts_on: date
    tokens: Used
    dollars: Used


@dataclass(frozen=True)
class ScopeUsage:
    day: PeriodUsage
    month: PeriodUsage


@dataclass(frozen=True)
class BotUsage:
    """`tenant` is what all bots spend together. Dollars follow OpenAI's prices of `prices_of`."""

    bot_id: UUID
    timezone: str
    bot: ScopeUsage
    tenant: ScopeUsage
    prices_of: date


def of_bot(session: Session, bot_id: UUID) -> BotUsage:
    """Raises BotNotFound."""
    bot = manage.find_bot(session, bot_id)
    account = account_for(session, bot)
    counters = budget.counters_of(session, bot_id, None, account.today())
    rows = {budget.counter_of(row): row for row in repository.find(session, counters)}
    shown = {(each.scope, each.period): _shown(account, each, rows) for each in counters}
    return BotUsage(
        bot_id=bot_id,
        timezone=account.timezone,
        bot=_scope(shown, SpendScope.BOT),
        tenant=_scope(shown, SpendScope.TENANT),
        prices_of=catalogue().prices_of,
    )


def _scope(
    shown: Mapping[tuple[SpendScope, SpendPeriod], PeriodUsage], scope: SpendScope
) -> ScopeUsage:
    return ScopeUsage(shown[scope, SpendPeriod.DAY], shown[scope, SpendPeriod.MONTH])


def _shown(account: Account, counter: Counter, rows: Mapping[Counter, Any]) -> PeriodUsage:
    limit, row = account.limit_of(counter.scope, counter.period), rows.get(counter)
    if row is None:
        return PeriodUsage(counter.starts_on, _used(0, 0, limit.tokens), _used(0, 0, limit.dollars))
    return PeriodUsage(
        counter.starts_on,
        _used(row.tokens, row.reserved_tokens, limit.tokens),
        _used(row.dollars, row.reserved_dollars, limit.dollars),
    )


def _used(used: Any, reserved: Any, limit: Any) -> Used:
    spent, held = Decimal(used), Decimal(reserved)
    if limit is None:
        return Used(spent, held, None, None)
    return Used(spent, held, Decimal(limit), max(Decimal(limit) - spent - held, Decimal(0)))
