"""The budgets of bots: a call of a model is reserved before it is made, and settled after it.

The spending of a tenant, of a bot and for a contact is counted for the day and for the month, in
the tenant's time zone. A call is made only if the most that it can cost still fits into each limit,
together with what was spent and with what other calls have reserved. So the limits hold however
many turns run at once. The six counters are locked in one order, and only for these short
transactions, never during a call of a model.

Each call of the model is reserved by itself, not a turn as a whole: a turn may make six calls, and
the most that all of them could cost is many times what turns cost, so that bots would fall silent
long before their limits.

A call that costs more than was reserved is counted all the same, and the next one is refused. What
a worker has reserved is stored in its turn. If the worker dies, the model may have been asked all
the same, and bills it: so the reservation is counted as spent when the turn is begun again or
closed. Where the price is not known, only tokens count.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Row
from sqlalchemy.orm import Session

from app import db
from app.bots import spend_repository as repository
from app.bots.limits import Limit, Limits, WhenReached, stricter
from app.bots.spend_repository import Amount, Counter
from app.common import clock
from app.events import service as events
from app.events.catalogue import EventType
from app.models import Conversation, SpendPeriod, SpendScope

log = structlog.get_logger(__name__)

NOTHING = Amount()
WARNING_SHARE = Decimal("0.8")
"""The part of a limit at which the tenant is warned."""


class TurnLost(Exception):
    """Another worker has the turn, so this one must not ask the model any more."""


@dataclass(frozen=True)
class Account:
    """Who pays for a call: the bot, the tenant, and what is spent on the contact, with the limits
    of each. A try has no contact."""

    bot_id: UUID
    contact_id: UUID | None
    timezone: str
    tenant: Limits
    bot: Limits
    when_reached: WhenReached = WhenReached.FALLBACK

    def limit_of(self, scope: str, period: str) -> Limit:
        each = SpendPeriod(period)
        if scope == SpendScope.TENANT:
            return self.tenant.of(each)
        if scope == SpendScope.BOT:
            return self.bot.of(each)
        return stricter(self.tenant.of_contact(each), self.bot.of_contact(each))

    def today(self) -> date:
        return clock.now().astimezone(ZoneInfo(self.timezone)).date()

    def seconds_until_end(self, period: SpendPeriod) -> float:
        """Return how long this day or month still lasts."""
        today = self.today()
        following = today + timedelta(days=1)
        if period is SpendPeriod.MONTH:
            following = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
        midnight = datetime.combine(following, time.min, ZoneInfo(self.timezone))
        return max((midnight - clock.now()).total_seconds(), 1.0)


@dataclass(frozen=True)
class Hold:
    """What a call has reserved. It is settled on the day on which it was reserved."""

    day: date
    bot_id: UUID
    amount: Amount

    def as_json(self) -> dict[str, Any]:
        return {
            "day": self.day.isoformat(),
            "bot_id": str(self.bot_id),
            "tokens": self.amount.tokens,
            "dollars": str(self.amount.dollars),
        }


@dataclass(frozen=True)
class Try:
    """One attempt at a turn."""

    turn_id: UUID
    tries: int


@dataclass(frozen=True)
class Settlement:
    """A call that has ended: what it had reserved, and what it used."""

    account: Account
    attempt: Try
    hold: Hold
    used: Amount


@dataclass(frozen=True)
class Full:
    """A limit into which a call does not fit. `used` is what was spent, in the unit of the
    limit."""

    counter: Counter
    unit: str
    used: Decimal
    limit: Decimal


class BudgetFull(Exception):
    """A call does not fit into these limits."""

    def __init__(self, full: Sequence[Full]) -> None:
        super().__init__(", ".join(f"{each.counter.scope} {each.unit}" for each in full))
        self.full = full


def reserve(
    session: Session, account: Account, attempt: Try, wanted: Amount, ended: Settlement | None
) -> Hold:
    """Reserve the most that a call may cost. `ended` is the call before it in the same turn.

    Run this in a transaction of its own. Raises TurnLost and BudgetFull, after either of which the
    transaction must be rolled back.
    """
    hold = Hold(account.today(), account.bot_id, wanted)
    stored = json.dumps(hold.as_json())
    contact_id = repository.hold(session, attempt.turn_id, attempt.tries, stored)
    if contact_id is None:
        raise TurnLost
    if ended is not None:
        _end(session, ended, contact_id, ended.used, -ended.hold.amount)
    counters = counters_of(session, account.bot_id, contact_id, hold.day)
    _refuse_more(account, repository.add(session, counters, NOTHING, wanted), NOTHING)
    return hold


def settle(session: Session, ended: Settlement | None) -> None:
    """Replace what the last call of a turn had reserved by what it used.

    Call this last in the transaction that finishes the turn: all turns of a tenant wait for each
    other here. If the turn was lost to another worker, that one has counted the reservation as
    spent (`count_left`), and it is corrected here.
    """
    if ended is None:
        return
    dropped = repository.drop(session, ended.attempt.turn_id, ended.attempt.tries)
    contact_id = ended.account.contact_id if dropped is None else dropped.contact_id
    if dropped is not None and dropped.was_held:
        _end(session, ended, contact_id, ended.used, -ended.hold.amount)
    elif ended.used != ended.hold.amount:
        _end(session, ended, contact_id, ended.used - ended.hold.amount, NOTHING)


def count_left(session: Session, conversation: Conversation) -> None:
    """Count as spent what workers that are gone have reserved in this conversation: their calls
    may have been answered, and billed.

    The caller has locked the conversation, and knows that no worker has a turn of it. The tenant is
    told of a limit that this uses up when the next call is settled or refused.
    """
    for turn in repository.lock_left(session, conversation.id):
        hold = _read(turn.hold or {})
        turn.hold = None
        session.flush()
        counters = counters_of(session, hold.bot_id, conversation.contact_id, hold.day)
        repository.add(session, counters, hold.amount, -hold.amount)


def book(session: Session, account: Account, most: Amount) -> date:
    """Count a call outside of a turn as if it cost the most that it can; return the day to correct.

    If the process dies, it stays so. Run this in a transaction of its own. Raises BudgetFull, after
    which the transaction must be rolled back.
    """
    day = account.today()
    counters = counters_of(session, account.bot_id, None, day)
    _refuse_more(account, repository.add(session, counters, most, NOTHING), most)
    return day


def correct(session: Session, account: Account, day: date, booked: Amount, used: Amount) -> None:
    """Count what a call used in the place of what was booked."""
    counters = counters_of(session, account.bot_id, None, day)
    rows = repository.add(session, counters, used - booked, NOTHING)
    _tell(session, account, rows)


def note_full(session: Session, account: Account, error: BudgetFull) -> None:
    """Tell the tenant of limits into which a call did not fit, unless it was told before."""
    mark = {full.counter: _mark(account, full.counter) for full in error.full}
    found = {counter_of(row): row.reached_for for row in repository.find(session, list(mark))}
    for full in error.full:
        if _is_in(mark[full.counter], found.get(full.counter, "")):
            continue
        (row,) = repository.add(session, [full.counter], NOTHING, NOTHING)
        if not _is_in(mark[full.counter], row.reached_for):
            _record(session, account, EventType.BOT_BUDGET_REACHED, full, row)


def counters_of(
    session: Session, bot_id: UUID, contact_id: UUID | None, day: date
) -> list[Counter]:
    """Return the counters of a call, in the order in which they are locked."""
    scopes = [(SpendScope.TENANT, db.tenant_of(session)), (SpendScope.BOT, bot_id)]
    if contact_id is not None:
        scopes.append((SpendScope.CONTACT, contact_id))
    starts = {SpendPeriod.DAY: day, SpendPeriod.MONTH: day.replace(day=1)}
    return [
        Counter(scope, scope_id, period, starts_on)
        for scope, scope_id in scopes
        for period, starts_on in starts.items()
    ]


def _end(
    session: Session, ended: Settlement, contact_id: UUID | None, spent: Amount, reserved: Amount
) -> None:
    """Add to what is spent and reserved, on the day of the call."""
    hold = ended.hold
    counters = counters_of(session, hold.bot_id, contact_id, hold.day)
    _tell(session, ended.account, repository.add(session, counters, spent, reserved))


def _refuse_more(account: Account, rows: Iterable[Row[Any]], booked: Amount) -> None:
    """Raises BudgetFull if one of the counters is above its limit now. `booked` is the part of what
    is spent that belongs to the call itself."""
    full = [
        Full(counter_of(row), unit, spent - getattr(booked, unit), limit)
        for row in rows
        for unit, spent, reserved, limit in _measured(account, row)
        if spent + reserved > limit
    ]
    if full:
        raise BudgetFull(full)


def _tell(session: Session, account: Account, rows: Iterable[Row[Any]]) -> None:
    """Tell the tenant of limits that are used up, or nearly, once of each. The rows are locked."""
    for row in rows:
        used = [
            Full(counter_of(row), unit, spent, limit)
            for unit, spent, _, limit in _measured(account, row)
            if spent >= WARNING_SHARE * limit
        ]
        reached = [full for full in used if full.used >= full.limit]
        mark = _mark(account, counter_of(row))
        if reached and not _is_in(mark, row.reached_for):
            _record(session, account, EventType.BOT_BUDGET_REACHED, reached[0], row)
        elif used and not _is_in(mark, row.warned_for):
            _record(session, account, EventType.BOT_BUDGET_NEARLY_REACHED, used[0], row)


def _record(
    session: Session, account: Account, event_type: EventType, full: Full, row: Row[Any]
) -> None:
    counter, mark = full.counter, _mark(account, full.counter)
    reached_for = row.reached_for
    if event_type == EventType.BOT_BUDGET_REACHED:
        reached_for = _with(mark, reached_for)
    warned_for = _with(mark, row.warned_for)
    repository.note_told(session, counter, warned_for=warned_for, reached_for=reached_for)
    is_contact = counter.scope == SpendScope.CONTACT
    events.record(
        session,
        event_type,
        {
            "bot_id": str(account.bot_id),
            "scope": str(counter.scope),
            "contact_id": str(counter.scope_id) if is_contact else None,
            "period": str(counter.period),
            "starts_on": counter.starts_on.isoformat(),
            "unit": full.unit,
            "used": float(full.used),
            "limit": float(full.limit),
        },
    )
    log.warning("bot_budget", state=str(event_type), scope=counter.scope, unit=full.unit)


def _measured(account: Account, row: Row[Any]) -> Iterable[tuple[str, Decimal, Decimal, Decimal]]:
    """Yield (unit, spent, reserved, limit) for each limit of this counter."""
    limit = account.limit_of(row.scope, row.period)
    if limit.tokens is not None:
        yield "tokens", Decimal(row.tokens), Decimal(row.reserved_tokens), Decimal(limit.tokens)
    if limit.dollars is not None:
        yield "dollars", row.dollars, row.reserved_dollars, limit.dollars


def _mark(account: Account, counter: Counter) -> str:
    """Return the limits of this counter as a text: after a change, the tenant is told anew."""
    limit = account.limit_of(counter.scope, counter.period)
    return f"{limit.tokens}/{limit.dollars}"


def _is_in(mark: str, told: str) -> bool:
    return mark in told.split()


def _with(mark: str, told: str) -> str:
    return told if _is_in(mark, told) else f"{told} {mark}".strip()


def counter_of(row: Row[Any]) -> Counter:
    return Counter(SpendScope(row.scope), row.scope_id, SpendPeriod(row.period), row.starts_on)


def _read(stored: dict[str, Any]) -> Hold:
    amount = Amount(int(stored["tokens"]), Decimal(stored["dollars"]))
    return Hold(date.fromisoformat(stored["day"]), UUID(stored["bot_id"]), amount)
