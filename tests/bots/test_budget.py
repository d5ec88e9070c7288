"""A budget is a wall: calls are reserved before they are made, however many are made at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier
from time import sleep

import pytest
from sqlalchemy import text

from app import db
from app.bots import budget
from app.bots.budget import BudgetFull, TurnLost
from app.bots.limits import Limits
from app.bots.spend_repository import Amount
from app.common import clock
from app.models import Bot, SpendPeriod, Tenant
from tests.bots.spending import Spender, counted, dollars, new_bot, spender, told
from tests.factories import create_tenant

COST = 100


@pytest.fixture
def payer(tenant: Tenant) -> Bot:
    return new_bot(tenant.id)


def refuses(each: Spender, tokens: int) -> bool:
    """Return whether a call of this size is refused. If it is not, it stays reserved."""
    try:
        each.reserve(Amount(tokens))
    except BudgetFull:
        return True
    return False


def at_once(spenders: list[Spender]) -> int:
    """Let all of them call a model at once; return how many could."""
    barrier = Barrier(len(spenders))

    def call(each: Spender, pause: float) -> bool:
        barrier.wait(30)
        try:
            hold = each.reserve(Amount(COST))
        except BudgetFull:
            return False
        sleep(pause)
        each.settle(hold, Amount(COST))
        return True

    pauses = [number % 6 / 100 for number in range(len(spenders))]
    with ThreadPoolExecutor(len(spenders)) as pool:
        return sum(pool.map(call, spenders, pauses))


@pytest.mark.parametrize("whose", ["tenant", "bot"])
@pytest.mark.parametrize(
    "limits", [Limits(tokens_per_day=10 * COST), Limits(tokens_per_month=10 * COST)]
)
def test_of_fifty_at_once_on_a_budget_for_ten_exactly_ten_pass(
    payer: Bot, whose: str, limits: Limits
) -> None:
    of_tenant, own = (limits, Limits()) if whose == "tenant" else (Limits(), limits)
    assert at_once([spender(payer, of_tenant, own) for _ in range(50)]) == 10
    assert counted(payer.tenant_id) == (10 * COST, 0)
    reached = [each for each in told(payer.tenant_id) if each[0] == "bot.budget_reached"]
    assert len(reached) == 1


def test_a_tenants_other_bot_shares_its_budget(payer: Bot) -> None:
    limits = Limits(tokens_per_day=10 * COST)
    bots = [payer, new_bot(payer.tenant_id)]
    assert at_once([spender(bots[number % 2], limits) for number in range(50)]) == 10


def test_another_tenant_has_a_budget_of_its_own(payer: Bot) -> None:
    limits = Limits(tokens_per_day=COST)
    other = new_bot(create_tenant().id)
    assert at_once([spender(payer, limits), spender(payer, limits), spender(other, limits)]) == 2
    assert counted(other.tenant_id) == counted(payer.tenant_id) == (COST, 0)


def test_a_contact_has_a_budget_of_its_own(payer: Bot) -> None:
    limits = Limits(contact_tokens_per_day=COST)
    one, other = spender(payer, limits), spender(payer, limits)
    one.spend(COST)
    assert refuses(one, 1)
    assert not refuses(other, COST)


def test_the_stricter_limit_of_a_contact_holds(payer: Bot) -> None:
    strict, lax = Limits(contact_tokens_per_day=10), Limits(contact_tokens_per_day=1000)
    assert refuses(spender(payer, strict, lax), 11)
    assert refuses(spender(payer, lax, strict), 11)
    assert not refuses(spender(payer, lax, lax), 11)


def test_dollars_are_limited_too(payer: Bot) -> None:
    limits = Limits(dollars_per_month=Decimal("0.05"))
    each = spender(payer, limits)
    hold = each.reserve(Amount(10, Decimal("0.04")))
    each.settle(hold, Amount(10, Decimal("0.03")))
    assert dollars(payer.tenant_id) == Decimal("0.03")
    with pytest.raises(BudgetFull) as caught:
        each.reserve(Amount(1, Decimal("0.0201")))
    (full,) = caught.value.full
    assert (full.unit, full.counter.period, full.used) == ("dollars", "month", Decimal("0.03"))
    each.reserve(Amount(1, Decimal("0.02")))


def test_where_the_price_is_not_known_only_tokens_count(payer: Bot) -> None:
    each = spender(payer, Limits(dollars_per_day=Decimal(0), tokens_per_day=COST))
    each.spend(COST)
    assert refuses(each, 1)


def test_what_was_reserved_and_not_used_is_free_again(payer: Bot) -> None:
    each = spender(payer, Limits(tokens_per_day=COST))
    each.settle(each.reserve(Amount(COST)), Amount(30))
    assert counted(payer.tenant_id) == (30, 0)
    assert refuses(each, 71)
    assert not refuses(each, 70)


def test_a_call_that_used_more_than_it_reserved_is_counted_and_the_next_one_refused(
    payer: Bot,
) -> None:
    each = spender(payer, Limits(tokens_per_day=COST))
    each.settle(each.reserve(Amount(COST)), Amount(3 * COST))
    assert counted(payer.tenant_id) == (3 * COST, 0)
    assert refuses(each, 0)


def test_the_calls_of_a_turn_are_settled_one_by_one(payer: Bot) -> None:
    each = spender(payer, Limits(tokens_per_day=10 * COST))
    first = each.reserve(Amount(500))
    second = each.reserve(Amount(600), each.ended(first, Amount(40)))
    assert counted(payer.tenant_id) == (40, 600)
    each.settle(second, Amount(60))
    assert counted(payer.tenant_id) == (100, 0)


def test_a_refused_second_call_leaves_the_first_to_be_settled(payer: Bot) -> None:
    each = spender(payer, Limits(tokens_per_day=COST))
    first = each.reserve(Amount(COST))
    ended = each.ended(first, Amount(90))
    with pytest.raises(BudgetFull):
        each.reserve(Amount(11), ended)
    each.settle(first, Amount(90))
    assert counted(payer.tenant_id) == (90, 0)


def test_a_limit_below_what_was_spent_refuses_every_call(payer: Bot) -> None:
    each = spender(payer, Limits(tokens_per_day=10 * COST))
    each.spend(5 * COST)
    each.account = replace(each.account, tenant=Limits(tokens_per_day=2 * COST))
    assert refuses(each, 1)
    each.account = replace(each.account, tenant=Limits(tokens_per_day=6 * COST))
    assert not refuses(each, COST)


def test_a_turn_that_another_worker_has_reserves_nothing(payer: Bot) -> None:
    each = spender(payer)
    each.attempt = replace(each.attempt, tries=2)
    with pytest.raises(TurnLost):
        each.reserve(Amount(COST))
    assert counted(payer.tenant_id) == (0, 0)


@pytest.mark.parametrize("used", [0, 70, COST, COST + 30])
def test_what_a_lost_turn_had_reserved_is_spent_until_its_worker_says_what_it_used(
    payer: Bot, used: int
) -> None:
    each = spender(payer)
    hold = each.reserve(Amount(COST))
    for _ in range(2):
        count_left(each)
        assert_counted(payer, COST)
    each.settle(hold, Amount(used))
    assert_counted(payer, used)


def count_left(each: Spender) -> None:
    with db.tenant_session(each.tenant_id) as session:
        budget.count_left(session, session.merge(each.conversation))


def assert_counted(payer: Bot, tokens: int) -> None:
    """All counters hold these tokens, and nothing is reserved."""
    for scope in ("tenant", "bot", "contact"):
        for period in ("day", "month"):
            assert counted(payer.tenant_id, scope, period) == (tokens, 0)


def test_what_dead_workers_may_have_spent_is_within_the_limit_too(payer: Bot) -> None:
    limits = Limits(tokens_per_day=2 * COST)
    one, other = spender(payer, limits), spender(payer, limits)
    one.reserve(Amount(COST))
    other.reserve(Amount(COST))
    count_left(one)
    assert counted(payer.tenant_id) == (COST, COST)
    count_left(other)
    assert counted(payer.tenant_id) == (2 * COST, 0)
    with pytest.raises(BudgetFull) as caught:
        spender(payer, limits).reserve(Amount(1))
    note(one, caught.value)
    assert told(payer.tenant_id) == [
        ("bot.budget_reached", "tenant", "day", "tokens", 2 * COST, 2 * COST)
    ]


def test_the_worker_of_a_lost_turn_leaves_what_the_next_one_has_reserved(payer: Bot) -> None:
    each = spender(payer)
    first = each.reserve(Amount(COST))
    late = each.ended(first, Amount(40))
    count_left(each)
    with db.tenant_session(payer.tenant_id) as session:
        session.execute(text("update recado.turns set tries = 2"))
    each.attempt = replace(each.attempt, tries=2)
    second = each.reserve(Amount(COST))
    assert counted(payer.tenant_id) == (COST, COST)
    with db.tenant_session(payer.tenant_id) as session:
        budget.settle(session, late)
    assert counted(payer.tenant_id) == (40, COST)
    each.settle(second, Amount(50))
    assert_counted(payer, 90)


def freeze(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: at)


def test_days_and_months_begin_at_midnight_of_the_tenant(
    payer: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Mexico City it is six hours earlier than in UTC."""
    each = spender(payer, Limits(tokens_per_day=COST, tokens_per_month=3 * COST))
    freeze(monkeypatch, "2026-11-30T05:59")
    each.spend(COST)
    assert refuses(each, 1)
    freeze(monkeypatch, "2026-11-30T06:01")
    each.spend(COST)
    assert refuses(each, 1)
    freeze(monkeypatch, "2026-12-01T05:59")
    assert refuses(each, 1)
    freeze(monkeypatch, "2026-12-01T06:01")
    each.spend(COST)
    with db.tenant_session(payer.tenant_id) as session:
        months = session.execute(
            text(
                "select starts_on, tokens from recado.bot_spend"
                " where scope = 'bot' and period = 'month' order by starts_on"
            )
        ).all()
    assert [(str(row.starts_on), row.tokens) for row in months] == [
        ("2026-11-01", 2 * COST),
        ("2026-12-01", COST),
    ]


def test_a_call_over_midnight_is_settled_on_the_day_on_which_it_was_reserved(
    payer: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = spender(payer, Limits(tokens_per_day=COST))
    freeze(monkeypatch, "2026-11-30T05:59")
    first = each.reserve(Amount(COST))
    freeze(monkeypatch, "2026-11-30T06:01")
    second = each.reserve(Amount(COST), each.ended(first, Amount(30)))
    each.settle(second, Amount(40))
    with db.tenant_session(payer.tenant_id) as session:
        query = (
            "select starts_on, tokens, reserved_tokens from recado.bot_spend"
            " where scope = 'tenant' and period = 'day' order by starts_on"
        )
        days = [(str(row[0]), row[1], row[2]) for row in session.execute(text(query))]
    assert days == [("2026-11-29", 30, 0), ("2026-11-30", 40, 0)]


def test_what_a_dead_worker_had_reserved_before_midnight_counts_for_that_day(
    payer: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = spender(payer, Limits(tokens_per_day=COST))
    freeze(monkeypatch, "2026-12-01T05:59")
    hold = each.reserve(Amount(COST))
    freeze(monkeypatch, "2026-12-01T06:01")
    count_left(each)
    assert counters_of_tenant(payer) == {
        ("day", "2026-11-30"): (COST, 0),
        ("month", "2026-11-01"): (COST, 0),
    }
    each.settle(hold, Amount(30))
    assert counters_of_tenant(payer) == {
        ("day", "2026-11-30"): (30, 0),
        ("month", "2026-11-01"): (30, 0),
    }


def counters_of_tenant(payer: Bot) -> dict[tuple[str, str], tuple[int, int]]:
    """Return (period, first day) → tokens (spent, reserved)."""
    query = (
        "select period, starts_on::text as starts_on, tokens, reserved_tokens"
        " from recado.bot_spend where scope = 'tenant'"
    )
    with db.tenant_session(payer.tenant_id) as session:
        rows = session.execute(text(query)).all()
    return {(row.period, row.starts_on): (row.tokens, row.reserved_tokens) for row in rows}


@pytest.mark.parametrize(
    ("period", "moment", "seconds"),
    [
        ("day", "2026-11-30T05:59", 60),
        ("month", "2026-11-30T05:59", 86_400 + 60),
        ("month", "2026-12-31T06:00", 86_400),
    ],
)
def test_a_period_ends_at_midnight_of_the_tenant(
    payer: Bot,
    monkeypatch: pytest.MonkeyPatch,
    period: str,
    moment: str,
    seconds: int,
) -> None:
    freeze(monkeypatch, moment)
    account = spender(payer).account
    assert account.seconds_until_end(SpendPeriod(period)) == seconds


def test_a_tenant_is_told_once_at_80_percent_and_once_at_the_limit(payer: Bot) -> None:
    each = spender(payer, Limits(tokens_per_day=10 * COST))
    day = ("tenant", "day", "tokens")
    for _ in range(7):
        each.spend(COST)
    assert told(payer.tenant_id) == []
    each.spend(COST)
    warning = ("bot.budget_nearly_reached", *day, 800, 1000)
    assert told(payer.tenant_id) == [warning]
    each.spend(COST)
    each.spend(COST)
    reached = ("bot.budget_reached", *day, 1000, 1000)
    assert told(payer.tenant_id) == [warning, reached]
    for _ in range(2):
        with pytest.raises(BudgetFull) as caught:
            each.reserve(Amount(1))
        note(each, caught.value)
    assert told(payer.tenant_id) == [warning, reached]


def note(each: Spender, error: BudgetFull) -> None:
    with db.tenant_session(each.tenant_id) as session:
        budget.note_full(session, each.account, error)


def test_a_tenant_is_told_when_what_is_left_is_too_little(payer: Bot) -> None:
    each = spender(payer, Limits(tokens_per_day=COST))
    each.spend(10)
    for _ in range(3):
        with pytest.raises(BudgetFull) as caught:
            each.reserve(Amount(95))
        note(each, caught.value)
    assert told(payer.tenant_id) == [("bot.budget_reached", "tenant", "day", "tokens", 10, COST)]


def test_a_changed_limit_is_told_anew(payer: Bot) -> None:
    each = spender(payer, Limits(tokens_per_day=COST))
    each.spend(COST)
    each.account = replace(each.account, tenant=Limits(tokens_per_day=2 * COST))
    each.spend(COST)
    assert [kind for kind, *_ in told(payer.tenant_id)] == ["bot.budget_reached"] * 2


def test_many_that_cross_a_limit_at_once_tell_it_once(payer: Bot) -> None:
    spenders = [spender(payer, Limits(tokens_per_day=1000)) for _ in range(12)]
    holds = [(each, each.reserve(Amount(80))) for each in spenders]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda pair: pair[0].settle(pair[1], Amount(90)), holds))
    kinds = [kind for kind, *_ in told(payer.tenant_id)]
    assert sorted(kinds) == ["bot.budget_nearly_reached", "bot.budget_reached"]
