"""Two contacts turn out to be one person while a bot answers one of them, or both."""

from typing import Any
from uuid import UUID

import pytest

from app import db
from app.bots.turns import Result, Work
from app.common import clock
from app.common.phone import parse_address
from app.contacts import service as contacts
from app.models import Bot, Channel, Conversation, Tenant, TurnOutcome
from tests.bots.turning import hear, owner_of, rows, run, said, say
from tests.factories import create_contact, create_conversation

PHONE = parse_address("+15551234567")
USER_ID = parse_address("US.13491208655302741918")


@pytest.fixture
def kept(tenant: Tenant, channel: Channel, bot: Bot, sent: list[tuple[Any, ...]]) -> Conversation:
    return thread(tenant, channel, PHONE.value, "phone")


@pytest.fixture
def lost(tenant: Tenant, channel: Channel, kept: Conversation) -> Conversation:
    return thread(tenant, channel, USER_ID.value, "user_id")


def thread(tenant: Tenant, channel: Channel, address: str, kind: str) -> Conversation:
    contact = create_contact(tenant.id, address=address, kind=kind)
    return create_conversation(
        tenant.id, channel=channel, contact=contact, address=address, last_inbound_at=clock.now()
    )


def merge(conversation: Conversation) -> None:
    with db.tenant_session(conversation.tenant_id) as session:
        contacts.find_or_create(session, [PHONE, USER_ID])
    assert len(rows(conversation, "select 1 from recado.conversations")) == 1


def test_what_waits_in_the_lost_one_is_answered_in_the_other(
    kept: Conversation, lost: Conversation
) -> None:
    hear(lost, "a question")
    merge(kept)
    run(kept)
    assert said(kept) == ["¡Hola!"]
    assert owner_of(kept) == "bot"


def test_what_waits_in_both_is_answered_once(kept: Conversation, lost: Conversation) -> None:
    seen: list[list[str]] = []

    def think(_: UUID, work: Work) -> Result:
        seen.append([line.body for line in work.lines])
        return Result(("to both",), TurnOutcome.ANSWERED)

    hear(kept, "one")
    hear(lost, "two")
    merge(kept)
    for _ in range(2):
        run(kept, think)
    assert said(kept) == ["to both"]
    assert seen == [["one", "two"]]


def test_a_turn_that_runs_meanwhile_is_run_again_in_the_other(
    kept: Conversation, lost: Conversation
) -> None:
    def think(_: UUID, work: Work) -> Result:
        merge(kept)
        return Result(("lost",), TurnOutcome.ANSWERED)

    hear(lost, "a question")
    run(lost, think)
    assert said(kept) == []
    run(kept)
    assert said(kept) == ["¡Hola!"]


def test_a_turn_of_the_one_that_stays_is_run_again(kept: Conversation, lost: Conversation) -> None:
    """It was begun without what was written in the other one."""

    def think(_: UUID, work: Work) -> Result:
        hear(lost, "and this")
        merge(kept)
        return Result(("too early",), TurnOutcome.ANSWERED)

    hear(kept, "this")
    run(kept, think)
    run(kept, say("to both"))
    assert said(kept) == ["to both"]


def test_a_person_who_owns_either_owns_both(kept: Conversation, lost: Conversation) -> None:
    hear(lost, "a question")
    rows(
        kept,
        f"update recado.conversations set owner = 'human' where id = '{kept.id}'",
    )
    merge(kept)
    run(kept)
    assert (said(kept), owner_of(kept)) == ([], "human")


@pytest.mark.parametrize("is_lost", [True, False])
def test_what_was_forgotten_in_either_stays_forgotten(
    kept: Conversation, lost: Conversation, is_lost: bool
) -> None:
    for conversation in (kept, lost):
        hear(conversation, "before")
        run(conversation)
    forgotten = lost if is_lost else kept
    rows(
        forgotten,
        f"update recado.conversations set history_from = now() where id = '{forgotten.id}'",
    )
    merge(kept)
    seen: list[list[str]] = []

    def think(_: UUID, work: Work) -> Result:
        seen.append([line.body for line in work.lines])
        return Result(("ok",), TurnOutcome.ANSWERED)

    hear(kept, "after")
    run(kept, think)
    assert seen == [["after"]]
