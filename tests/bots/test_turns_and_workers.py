"""Turns of a bot where workers meet, die, or are many: each turn is answered once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any
from uuid import UUID

import pytest

from app.bots import due as bots_due
from app.bots import running, turns
from app.bots import turns_repository as repository
from app.bots.turns import Result, Work
from app.common import clock
from app.common.ids import new_id
from app.models import Conversation, Tenant, TurnOutcome
from app.tasks import due, names
from tests.bots.turning import hear, rows, run, said, say, told
from tests.factories import create_bot, create_channel, create_conversation


def test_two_workers_run_a_turn_once(conversation: Conversation) -> None:
    thinking, go_on = Event(), Event()

    def think(_: UUID, work: Work) -> Result:
        thinking.set()
        assert go_on.wait(10)
        return Result(("once",), TurnOutcome.ANSWERED)

    hear(conversation)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(run, conversation, think)
        assert thinking.wait(10)
        run(conversation, say("twice"))
        go_on.set()
        first.result()
    assert said(conversation) == ["once"]


def test_a_turn_whose_worker_died_is_run_again_and_the_dead_one_says_nothing(
    conversation: Conversation,
) -> None:
    def dies(_: UUID, work: Work) -> Result:
        rows(conversation, "update recado.turns set lease_until = now() - interval '1 second'")
        run(conversation, say("second"))
        return Result(("first, back from the dead",), TurnOutcome.ANSWERED)

    hear(conversation)
    run(conversation, dies)
    assert said(conversation) == ["second"]
    ((tries,),) = rows(conversation, "select tries from recado.turns")
    assert tries == 2


def killed(_: UUID, work: Work) -> Result:
    raise KeyboardInterrupt


def die(conversation: Conversation, times: int) -> None:
    for _ in range(times):
        with pytest.raises(KeyboardInterrupt):
            run(conversation, killed)
        rows(conversation, "update recado.turns set lease_until = now() - interval '1 second'")


def test_a_turn_that_began_again_answers_what_came_meanwhile(conversation: Conversation) -> None:
    """And the turn of that message, which nothing is left for, says nothing."""
    hear(conversation, "uno")
    die(conversation, 1)
    hear(conversation, "dos")
    rows(conversation, "update recado.turns set replaced = 2 where state = 'running'")
    run(conversation, say("both"))
    run(conversation, say("again"))
    assert said(conversation) == ["both"]
    assert told(conversation) == [("finished", "answered", ""), ("finished", "superseded", "")]


@pytest.mark.parametrize("read", [1, repository.MOST_MESSAGES])
def test_what_a_turn_that_began_again_has_not_read_is_answered_by_the_next(
    conversation: Conversation, read: int
) -> None:
    """A turn does not record the messages after so many."""

    def think(tenant_id: UUID, work: Work) -> Result:
        hear(conversation, "unread")
        return say("first")(tenant_id, work)

    hear(conversation, "uno")
    die(conversation, 1)
    for _ in range(read):
        hear(conversation, "read")
    rows(conversation, "update recado.turns set replaced = 2 where state = 'running'")
    run(conversation, think)
    run(conversation, say("second"))
    assert said(conversation) == ["first", "second"]


def test_after_some_deaths_a_turn_is_answered_without_the_model(conversation: Conversation) -> None:
    gave_up: list[bool] = []

    def think(_: UUID, work: Work) -> Result:
        gave_up.append(work.gives_up)
        return Result(("Sorry.",), TurnOutcome.FELL_BACK)

    hear(conversation)
    die(conversation, turns.MOST_TRIES)
    run(conversation, think)
    hear(conversation)
    run(conversation, think)
    assert gave_up == [True, False]


def test_a_turn_that_kills_every_worker_ends(conversation: Conversation) -> None:
    hear(conversation)
    die(conversation, turns.MOST_TRIES + turns.MOST_LAST_TRIES)
    run(conversation)
    assert (said(conversation), told(conversation)) == ([], [("finished", "silent", "worker_died")])
    hear(conversation)
    run(conversation)
    assert said(conversation) == ["¡Hola!"]


@pytest.fixture
def crowd(tenant: Tenant, sent: list[tuple[Any, ...]]) -> list[Conversation]:
    channel = create_channel(tenant.id)
    create_bot(tenant.id, channel=channel)
    now = clock.now()
    return [
        create_conversation(tenant.id, channel=channel, last_inbound_at=now, address=f"+1556{n}")
        for n in range(4)
    ]


def test_a_tenant_runs_so_many_turns_at_once_and_the_rest_follow(
    crowd: list[Conversation], monkeypatch: pytest.MonkeyPatch, sent: list[tuple[Any, ...]]
) -> None:
    monkeypatch.setattr(turns, "MOST_RUNNING", 2)
    for each in crowd:
        hear(each)

    def third(tenant_id: UUID, work: Work) -> Result:
        run(crowd[2])
        return say("ok")(tenant_id, work)

    def second(tenant_id: UUID, work: Work) -> Result:
        run(crowd[1], third)
        return say("ok")(tenant_id, work)

    run(crowd[0], second)
    states = [state for state, _, _ in told(crowd[0])]
    assert states == ["finished", "finished", "armed", "armed"]
    assert sent[-1][:3] == (names.RUN_TURN, crowd[0].tenant_id, crowd[2].id)


def test_in_a_crowd_a_tenant_gets_few_threads_and_leaves_the_rest_to_others(
    crowd: list[Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "CROWDED", 2)
    monkeypatch.setattr(running, "FEW", 1)
    for each in crowd:
        hear(each)
    free: list[bool] = []

    def second(tenant_id: UUID, work: Work) -> Result:
        run(crowd[2])
        with running.places.one(tenant_id) as of_this, running.places.one(new_id()) as of_another:
            free.extend((of_this, of_another))
        return say("ok")(tenant_id, work)

    def first(tenant_id: UUID, work: Work) -> Result:
        run(crowd[1], second)
        return say("ok")(tenant_id, work)

    run(crowd[0], first)
    assert free == [False, True]
    assert [state for state, _, _ in told(crowd[0])] == ["finished", "finished", "armed", "armed"]
    run(crowd[2])
    assert [state for state, _, _ in told(crowd[0])][2] == "finished"


def rung(sent: list[tuple[Any, ...]], tenant_id: UUID) -> list[UUID]:
    sent.clear()
    due.ring_all(bots_due.DUE)
    return [ids[1] for task, *ids in sent if task == names.RUN_TURN and ids[0] == tenant_id]


def test_the_scheduler_finds_due_turns_and_those_of_dead_workers(
    conversation: Conversation, sent: list[tuple[Any, ...]]
) -> None:
    hear(conversation, wait=timedelta(seconds=4))
    assert rung(sent, conversation.tenant_id) == []
    rows(conversation, "update recado.turns set due_at = now()")
    assert rung(sent, conversation.tenant_id) == [conversation.id]
    rows(
        conversation,
        "update recado.turns set state = 'running', lease_until = now() + interval '1 minute'",
    )
    assert rung(sent, conversation.tenant_id) == []
    rows(conversation, "update recado.turns set lease_until = now() - interval '1 second'")
    assert rung(sent, conversation.tenant_id) == [conversation.id]


def test_the_scheduler_rings_no_more_than_may_run(
    crowd: list[Conversation], monkeypatch: pytest.MonkeyPatch, sent: list[tuple[Any, ...]]
) -> None:
    monkeypatch.setattr(bots_due, "MOST_RUNNING", 2)
    for each in crowd:
        hear(each)
    assert set(rung(sent, crowd[0].tenant_id)) == {crowd[0].id, crowd[1].id}
