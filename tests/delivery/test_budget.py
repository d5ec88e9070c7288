"""How many calls may run at once: fast channels never wait for slow or new ones."""

from app.common.ids import new_id
from app.delivery import budget as budgets
from app.delivery.budget import (
    FIRST_AT_ONCE,
    MOST_AT_ONCE,
    MOST_CALLS,
    MOST_NOT_FAST,
    MOST_NOT_FAST_OF_TENANT,
    MOST_SLOW,
    Account,
    Budget,
    Speed,
    Ticket,
)
from app.delivery.claims import Queue


def open_account(budget: Budget) -> Account:
    return budget.open(Queue(new_id(), new_id()))


def open_fast(budget: Budget) -> Account:
    """Open a channel whose provider answers quickly."""
    key = Queue(new_id(), new_id())
    budget.known[key] = (Speed.FAST, MOST_AT_ONCE)
    return budget.open(key)


def slow_down(budget: Budget, account: Account) -> list[Ticket]:
    """Start as many calls of this channel as it gets, each lasting longer than a second."""
    tickets = budget.grant(account, MOST_CALLS)
    for ticket in tickets:
        budget.age(ticket)
    return tickets


def test_a_new_channel_begins_with_few_calls_and_each_quick_answer_doubles_them() -> None:
    budget = Budget()
    account = open_account(budget)
    assert account.speed is Speed.NEW
    granted = budget.grant(account, MOST_CALLS)
    assert len(granted) == FIRST_AT_ONCE
    budget.give_back(granted[0], 0.2)
    assert (account.speed, account.at_once) == (Speed.FAST, 2 * FIRST_AT_ONCE)
    assert len(budget.grant(open_fast(budget), MOST_CALLS)) == MOST_AT_ONCE


def test_no_number_of_slow_and_new_channels_takes_the_threads_of_a_fast_one() -> None:
    budget = Budget()
    fast = open_fast(budget)
    for _ in range(10_000):
        slow_down(budget, open_account(budget))
        budget.grant(open_account(budget), MOST_CALLS)
    assert sum(budget.used.values()) <= MOST_NOT_FAST
    assert len(budget.grant(fast, MOST_CALLS)) == MOST_AT_ONCE


def test_one_tenant_takes_a_part_of_the_threads_for_slow_and_new_channels_only() -> None:
    """So a new channel of another tenant gets a thread at once."""
    budget, tenant_id = Budget(), new_id()
    for _ in range(1000):
        account = budget.open(Queue(tenant_id, new_id()))
        slow_down(budget, account)
        budget.grant(account, MOST_CALLS)
    assert budget.used[Speed.SLOW] + budget.used[Speed.NEW] == MOST_NOT_FAST_OF_TENANT
    assert budget.used[Speed.SLOW] < MOST_NOT_FAST
    assert budget.grant(open_account(budget), 1)


def test_slow_channels_share_their_threads_evenly() -> None:
    budget = Budget()
    alone = open_account(budget)
    slow_down(budget, alone)
    budget.grant(alone, MOST_CALLS)
    assert alone.calls == MOST_AT_ONCE
    budget = Budget()
    many = [open_account(budget) for _ in range(48)]
    for account in many:
        slow_down(budget, account)
    for account in many:
        budget.grant(account, MOST_CALLS)
    assert {account.calls for account in many} == {MOST_SLOW // 48}


def test_a_call_that_becomes_slow_leaves_its_place_to_fast_ones() -> None:
    budget = Budget()
    account = open_fast(budget)
    tickets = budget.grant(account, 8)
    assert budget.used[Speed.FAST] == 8
    for ticket in tickets:
        budget.age(ticket)
    assert (budget.used[Speed.FAST], budget.used[Speed.SLOW]) == (0, 8)
    assert account.speed is Speed.SLOW
    for ticket in tickets:
        budget.give_back(ticket, 12.0)
    assert sum(budget.used.values()) == 0
    assert account.speed is Speed.SLOW


def test_who_got_no_ticket_is_let_in_when_there_is_room_again() -> None:
    budget = Budget()
    tickets: list[Ticket] = []
    while granted := budget.grant(open_account(budget), MOST_CALLS):
        tickets += granted
    first, second = open_account(budget), open_account(budget)
    assert (budget.grant(first, 1), budget.grant(second, 1)) == ([], [])
    waiting = [each for queue in budget.waiting.values() for each in queue]
    assert waiting[-2:] == [first, second]
    for ticket in tickets:
        budget.give_back(ticket)
    admitted = budget.admit()
    assert first in admitted
    assert not first.is_waiting
    assert len(budget.grant(first, 1)) == 1


def test_a_channel_is_remembered_until_it_sends_again() -> None:
    budget = Budget()
    account = open_fast(budget)
    budget.close(account)
    again = budget.open(account.key)
    assert (again.speed, again.at_once) == (Speed.FAST, MOST_AT_ONCE)
    slow_down(budget, again)
    budget.close(again)
    assert again.key not in budget.slow
    assert budget.open(again.key).speed is Speed.SLOW
    assert again.key in budget.slow


def test_what_was_not_called_says_nothing_about_the_provider() -> None:
    budget = Budget()
    account = open_account(budget)
    (ticket,) = budget.grant(account, 1)
    budget.give_back(ticket)
    assert account.speed is Speed.NEW


def test_threads_are_bounded_whatever_comes() -> None:
    """Also when channels that were fast all become slow at once."""
    budget = Budget()
    for _ in range(200):
        account = open_fast(budget)
        slow_down(budget, account)
    assert sum(budget.used.values()) <= budgets.MOST_CALLS
