"""Turns of a bot: when they run, and what they answer."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.bots import running, turns
from app.bots.turns import Result, Work
from app.models import Conversation, TurnOutcome
from app.tasks import names
from tests.bots.turning import hear, owner_of, rows, run, said, say, told
from tests.factories import create_tenant


def test_a_message_gets_an_answer_in_the_bots_name(conversation: Conversation) -> None:
    hear(conversation)
    assert owner_of(conversation) == "bot"
    run(conversation)
    assert said(conversation) == ["¡Hola!"]
    assert told(conversation) == [("finished", "answered", "")]
    run(conversation)
    assert said(conversation) == ["¡Hola!"], "a turn runs once"


def test_a_burst_gets_one_answer_to_all_of_it(conversation: Conversation) -> None:
    seen: list[Work] = []

    def think(_: UUID, work: Work) -> Result:
        seen.append(work)
        return Result(("ok",), TurnOutcome.ANSWERED)

    for body in ("hola", "una pregunta", "¿están abiertos?"):
        hear(conversation, body)
    for _ in range(3):
        run(conversation, think)
    assert said(conversation) == ["ok"]
    assert [line.body for line in seen[0].lines] == ["hola", "una pregunta", "¿están abiertos?"]


def test_a_turn_waits_until_the_customer_has_stopped_writing(
    conversation: Conversation, sent: list[tuple[Any, ...]]
) -> None:
    hear(conversation, wait=timedelta(seconds=4))
    run(conversation)
    assert said(conversation) == []
    (task, _, ringing, countdown) = sent[-1]
    assert (task, ringing) == (names.RUN_TURN, conversation.id)
    assert 3.5 < countdown <= 4
    rows(conversation, "update recado.turns set due_at = now() + interval '1 second'")
    hear(conversation, wait=timedelta(seconds=4))
    assert 3.5 < sent[-1][-1] <= 4
    assert len(told(conversation)) == 1


def test_it_never_waits_longer_than_fifteen_seconds_in_all(
    conversation: Conversation, sent: list[tuple[Any, ...]]
) -> None:
    hear(conversation, wait=timedelta(seconds=4))
    rows(conversation, "update recado.turns set armed_at = now() - interval '13 seconds'")
    hear(conversation, wait=timedelta(seconds=4))
    assert 1 < sent[-1][-1] <= 2


@pytest.mark.parametrize("kind", sorted(turns.IMMEDIATE))
def test_a_touch_is_answered_at_once(conversation: Conversation, kind: str) -> None:
    hear(conversation, wait=timedelta(seconds=4))
    hear(conversation, type=kind, wait=timedelta(seconds=4))
    run(conversation)
    assert said(conversation) == ["¡Hola!"]


def test_a_reaction_is_not_answered(conversation: Conversation) -> None:
    hear(conversation, type="reaction")
    assert told(conversation) == []
    assert owner_of(conversation) == "nobody"


def test_something_newer_replaces_the_turn_and_is_answered_with_it(
    conversation: Conversation,
) -> None:
    seen: list[list[str]] = []

    def think(_: UUID, work: Work) -> Result:
        seen.append([line.body for line in work.lines])
        if len(seen) == 1:
            hear(conversation, "and tomorrow?")
        return Result((f"answer {len(seen)}",), TurnOutcome.ANSWERED)

    hear(conversation, "open today?")
    run(conversation, think)
    run(conversation, think)
    assert seen == [["open today?"], ["open today?", "and tomorrow?"]]
    assert said(conversation) == ["answer 2"]
    assert told(conversation) == [("finished", "superseded", ""), ("finished", "answered", "")]


def test_a_customer_who_never_stops_is_answered_all_the_same(conversation: Conversation) -> None:
    def think(_: UUID, work: Work) -> Result:
        hear(conversation, "and another thing")
        return Result(("ok",), TurnOutcome.ANSWERED)

    hear(conversation)
    for _ in range(3):
        run(conversation, think)
    assert said(conversation) == ["ok"]
    assert [outcome for _, outcome, _ in told(conversation)] == [
        "superseded",
        "superseded",
        "answered",
        None,
    ]


def test_a_turn_that_changed_something_is_finished_before_the_newer_one(
    conversation: Conversation,
) -> None:
    def think(_: UUID, work: Work) -> Result:
        hear(conversation, "thanks")
        return Result(("Booked.",), TurnOutcome.ANSWERED, has_changed=True)

    hear(conversation)
    run(conversation, think)
    assert said(conversation) == ["Booked."]
    run(conversation)
    assert said(conversation) == ["Booked.", "¡Hola!"]


def test_outside_the_window_nothing_is_said(conversation: Conversation) -> None:
    hear(conversation)
    rows(
        conversation,
        "update recado.conversations set last_inbound_at = now() - interval '25 hours'",
    )
    run(conversation)
    assert told(conversation) == [("finished", "silent", "outside_window")]


def test_an_answer_that_cannot_be_queued_is_recorded(conversation: Conversation) -> None:
    def think(_: UUID, work: Work) -> Result:
        rows(conversation, "update recado.channels set status = 'disabled'")
        return Result(("one", "two"), TurnOutcome.ANSWERED)

    hear(conversation)
    run(conversation, think)
    assert said(conversation) == []
    assert told(conversation) == [("finished", "silent", "channel_disabled")]


def test_another_tenants_turn_cannot_be_run(conversation: Conversation) -> None:
    hear(conversation)
    running.run(create_tenant().id, conversation.id, say("stolen"))
    assert said(conversation) == []
    run(conversation)
    assert said(conversation) == ["¡Hola!"]
