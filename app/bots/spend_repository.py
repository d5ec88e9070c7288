"""Queries about what the models of bots cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Date, Row, cast, delete, func, select, text, tuple_, update
from sqlalchemy.orm import Session

from app import db
from app.models import BotSpend, SpendPeriod, SpendScope, Tenant, Turn, TurnState


@dataclass(frozen=True)
class Amount:
    tokens: int = 0
    dollars: Decimal = Decimal(0)

    def __neg__(self) -> "Amount":
        return Amount(-self.tokens, -self.dollars)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.tokens - other.tokens, self.dollars - other.dollars)


@dataclass(frozen=True)
class Counter:
    """The key of one row of `bot_spend`."""

    scope: SpendScope
    scope_id: UUID
    period: SpendPeriod
    starts_on: date


_ADD = text("""
    insert into recado.bot_spend as s (
        tenant_id, scope, scope_id, period, starts_on,
        tokens, dollars, reserved_tokens, reserved_dollars
    )
    select :tenant_id, c.scope, c.scope_id, c.period, c.starts_on,
        greatest(:tokens, 0), greatest(:dollars, 0),
        greatest(:reserved_tokens, 0), greatest(:reserved_dollars, 0)
    from unnest(
        cast(:scopes as text[]), cast(:scope_ids as uuid[]),
        cast(:periods as text[]), cast(:starts as date[])
    ) with ordinality as c (scope, scope_id, period, starts_on, place)
    order by c.place
    on conflict (tenant_id, scope, scope_id, period, starts_on) do update set
        tokens = greatest(s.tokens + :tokens, 0),
        dollars = greatest(s.dollars + :dollars, 0),
        reserved_tokens = greatest(s.reserved_tokens + :reserved_tokens, 0),
        reserved_dollars = greatest(s.reserved_dollars + :reserved_dollars, 0)
    returning scope, scope_id, period, starts_on, tokens, dollars, reserved_tokens,
        reserved_dollars, warned_for, reached_for
""")


def add(
    session: Session, counters: Sequence[Counter], spent: Amount, reserved: Amount
) -> Sequence[Row[Any]]:
    """Add to each of these counters, in their order; return the rows as they are then.

    The rows stay locked until the transaction ends. An amount may be negative; no counter falls
    below zero.
    """
    given = {
        "tenant_id": db.tenant_of(session),
        "tokens": spent.tokens,
        "dollars": spent.dollars,
        "reserved_tokens": reserved.tokens,
        "reserved_dollars": reserved.dollars,
        "scopes": [str(each.scope) for each in counters],
        "scope_ids": [str(each.scope_id) for each in counters],
        "periods": [str(each.period) for each in counters],
        "starts": [each.starts_on for each in counters],
    }
    return session.execute(_ADD, given).all()


def find(session: Session, counters: Sequence[Counter]) -> Sequence[Any]:
    """Return those of these rows that exist, as `add` does, without a lock."""
    key = (BotSpend.scope, BotSpend.scope_id, BotSpend.period, BotSpend.starts_on)
    wanted = [(str(c.scope), c.scope_id, str(c.period), c.starts_on) for c in counters]
    query = select(
        *key,
        BotSpend.tokens,
        BotSpend.dollars,
        BotSpend.reserved_tokens,
        BotSpend.reserved_dollars,
        BotSpend.warned_for,
        BotSpend.reached_for,
    ).where(tuple_(*key).in_(wanted))
    return session.execute(query).all()


def note_told(session: Session, counter: Counter, *, warned_for: str, reached_for: str) -> None:
    """Store of which limits the tenant was told. The caller has locked the row."""
    session.execute(
        update(BotSpend)
        .where(
            BotSpend.scope == counter.scope,
            BotSpend.scope_id == counter.scope_id,
            BotSpend.period == counter.period,
            BotSpend.starts_on == counter.starts_on,
        )
        .values(warned_for=warned_for, reached_for=reached_for)
        .execution_options(synchronize_session=False)
    )


# The conversation is held, so that its contact is not merged into another before the commit.
_HOLD = text("""
    with held as materialized (
        select t.id, c.contact_id from recado.turns t
        join recado.conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id
        where t.id = :turn_id for key share of c
    )
    update recado.turns t set hold = cast(:hold as jsonb) from held
    where t.id = held.id and t.tries = :tries and t.state = :state
    returning held.contact_id
""")
_DROP = text("""
    with held as materialized (
        select t.id, c.contact_id from recado.turns t
        join recado.conversations c on c.tenant_id = t.tenant_id and c.id = t.conversation_id
        where t.id = :turn_id for key share of c
    ), dropped as (
        update recado.turns t set hold = null from held
        where t.id = held.id and t.tries = :tries and t.hold is not null
        returning t.id
    )
    select contact_id, exists (select from dropped) as was_held from held
""")


def hold(session: Session, turn_id: UUID, tries: int, reserved: str) -> UUID | None:
    """Store what a running turn has reserved, as JSON; return its contact, or None if another
    worker has the turn."""
    given = {"turn_id": turn_id, "tries": tries, "state": TurnState.RUNNING, "hold": reserved}
    contact_id: UUID | None = session.scalar(_HOLD, given)
    return contact_id


class Dropped(NamedTuple):
    """The contact of a turn, and whether this attempt at it still had something reserved."""

    contact_id: UUID
    was_held: bool


def drop(session: Session, turn_id: UUID, tries: int) -> Dropped | None:
    """Forget what an attempt at a turn has reserved; None if the turn does not exist."""
    given = {"turn_id": turn_id, "tries": tries}
    row = session.execute(_DROP, given).one_or_none()
    if row is None:
        # A merge that this has waited for may have moved the turn to another conversation.
        row = session.execute(_DROP, given).one_or_none()
    return None if row is None else Dropped(*row)


def lock_left(session: Session, conversation_id: UUID) -> Sequence[Turn]:
    """Lock the turns of this conversation that have reserved something."""
    query = (
        select(Turn)
        .where(Turn.conversation_id == conversation_id, Turn.hold.is_not(None))
        .order_by(Turn.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return session.scalars(query).all()


_TENANT = select(Tenant.timezone, Tenant.bot_budget)


def tenant(session: Session) -> Row[str, dict[str, Any]]:
    """Return the time zone and the limits of the tenant."""
    return session.execute(_TENANT).one()


def forget_old(session: Session, days: int, most: int) -> int:
    """Remove up to `most` counters of periods that began longer ago; return how many."""
    key = (
        BotSpend.tenant_id,
        BotSpend.scope,
        BotSpend.scope_id,
        BotSpend.period,
        BotSpend.starts_on,
    )
    own = BotSpend.tenant_id == db.tenant_of(session)
    is_old = BotSpend.starts_on < cast(func.timezone("UTC", func.now()), Date) - days
    old = select(*key).where(own, is_old).limit(most)
    statement = delete(BotSpend).where(tuple_(*key).in_(old))
    result: Any = session.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)
