"""Two contacts turn out to be one person: what bots spent on either was spent on that person."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import sleep
from uuid import UUID

import pytest
from sqlalchemy import text

from app import db
from app.bots import budget
from app.bots.budget import Account, BudgetFull, Try, TurnLost
from app.bots.limits import Limits
from app.bots.spend_repository import Amount
from app.common.phone import Address, parse_address
from app.contacts import service as contacts
from app.models import Bot, Channel, Contact, Tenant, TurnState
from tests.bots.spending import NO_LIMITS, Spender, counted, new_bot
from tests.factories import create_channel, create_contact, create_conversation, create_turn


@dataclass
class Person:
    """Two contacts that are one person, each with a turn in progress on the same channel."""

    addresses: tuple[Address, Address]
    kept: Spender
    lost: Spender

    def merge(self) -> UUID:
        with db.tenant_session(self.kept.tenant_id) as session:
            return contacts.find_or_create(session, self.addresses)


def person(bot: Bot, channel: Channel, number: int = 1, limits: Limits = NO_LIMITS) -> Person:
    phone = parse_address(f"+1555123{number:04d}")
    user_id = parse_address(f"US.1349120865530274{number:04d}")
    sides = []
    for address, kind in ((phone, "phone"), (user_id, "user_id")):
        contact = create_contact(bot.tenant_id, address=address.value, kind=kind)
        sides.append(side(bot, channel, contact, limits))
    return Person((phone, user_id), *sides)


def side(bot: Bot, channel: Channel, contact: Contact, limits: Limits) -> Spender:
    conversation = create_conversation(bot.tenant_id, channel=channel, contact=contact)
    turn = create_turn(bot, conversation, state=TurnState.RUNNING, tries=1, outcome=None)
    account = Account(bot.id, contact.id, "UTC", limits, NO_LIMITS)
    return Spender(bot.tenant_id, conversation, account, Try(turn.id, 1))


@pytest.fixture
def payer(tenant: Tenant) -> Bot:
    return new_bot(tenant.id)


def test_both_amounts_are_added(payer: Bot) -> None:
    channel = create_channel(payer.tenant_id)
    each = person(payer, channel, limits=Limits(contact_tokens_per_day=150))
    each.kept.spend(60)
    each.lost.spend(70)
    hold = each.kept.reserve(Amount(10))
    contact_id = each.merge()
    assert counted(payer.tenant_id, "contact") == (130, 10)
    assert owners(payer.tenant_id) == {contact_id}
    each.kept.settle(hold, Amount(10))
    assert counted(payer.tenant_id, "contact") == (140, 0)
    with pytest.raises(BudgetFull):
        each.kept.reserve(Amount(11))


def owners(tenant_id: UUID) -> set[UUID]:
    """Return the contacts that have counters."""
    query = "select distinct scope_id from recado.bot_spend where scope = 'contact'"
    with db.tenant_session(tenant_id) as session:
        return set(session.scalars(text(query)))


def test_a_call_that_the_merge_meets_is_settled_with_the_contact_that_stays(payer: Bot) -> None:
    each = person(payer, create_channel(payer.tenant_id))
    hold = each.lost.reserve(Amount(70))
    contact_id = each.merge()
    with pytest.raises(TurnLost):
        each.lost.reserve(Amount(1))
    each.lost.settle(hold, Amount(40))
    assert counted(payer.tenant_id, "contact") == (40, 0)
    assert owners(payer.tenant_id) == {contact_id}


def test_what_a_dead_worker_had_reserved_is_spent_on_the_contact_that_stays(payer: Bot) -> None:
    each = person(payer, create_channel(payer.tenant_id))
    hold = each.lost.reserve(Amount(70))
    contact_id = each.merge()
    with db.tenant_session(payer.tenant_id) as session:
        # The merge has armed a turn; whoever begins it calls this.
        budget.count_left(session, session.merge(each.kept.conversation))
    assert counted(payer.tenant_id, "contact") == (70, 0)
    each.lost.settle(hold, Amount(40))
    for scope in ("tenant", "bot", "contact"):
        assert counted(payer.tenant_id, scope) == (40, 0)
    assert owners(payer.tenant_id) == {contact_id}


def test_a_worker_that_is_late_finds_its_contact_after_a_merge(payer: Bot) -> None:
    each = person(payer, create_channel(payer.tenant_id))
    hold = each.lost.reserve(Amount(70))
    with db.tenant_session(payer.tenant_id) as session:
        budget.count_left(session, session.merge(each.lost.conversation))
    contact_id = each.merge()
    each.lost.settle(hold, Amount(40))
    assert counted(payer.tenant_id, "contact") == (40, 0)
    assert owners(payer.tenant_id) == {contact_id}


def test_nothing_is_lost_when_many_are_merged_while_their_bots_spend(payer: Bot) -> None:
    channel = create_channel(payer.tenant_id)
    people = [person(payer, channel, number) for number in range(6)]

    def spend(each: Spender) -> int:
        calls = 0
        for _ in range(15):
            try:
                hold = each.reserve(Amount(5))
            except TurnLost:
                break
            each.settle(hold, Amount(1))
            calls += 1
        return calls

    def merge(number: int) -> int:
        sleep(0.05 + number / 12)
        people[number].merge()
        return 0

    with ThreadPoolExecutor(18) as pool:
        jobs = [pool.submit(spend, side) for each in people for side in (each.kept, each.lost)]
        jobs += [pool.submit(merge, number) for number in range(len(people))]
        calls = sum(job.result() for job in jobs)
    assert calls > 6 * 15
    for scope in ("tenant", "bot", "contact"):
        for period in ("day", "month"):
            assert counted(payer.tenant_id, scope, period) == (calls, 0)
    assert len(owners(payer.tenant_id)) == 6
