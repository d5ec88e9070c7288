"""Turns of a bot where people take over: nothing is said over them."""

from datetime import timedelta
from uuid import UUID

from app import db
from app.bots.turns import Result, Work
from app.common import clock
from app.conversations import ownership
from app.models import Conversation, TurnOutcome
from tests.bots.turning import hear, owner_of, rows, run, said, say, take_over, told


def test_nothing_is_armed_while_a_person_owns_the_conversation(conversation: Conversation) -> None:
    rows(conversation, "update recado.conversations set owner = 'human'")
    hear(conversation)
    assert told(conversation) == []


def test_nothing_is_said_once_a_person_took_over_before_the_turn(
    conversation: Conversation,
) -> None:
    hear(conversation)
    take_over(conversation)
    run(conversation)
    assert (said(conversation), told(conversation)) == ([], [("finished", "silent", "taken_over")])


def test_nothing_is_said_once_a_person_took_over_during_the_turn(
    conversation: Conversation,
) -> None:
    def think(_: UUID, work: Work) -> Result:
        take_over(conversation)
        return Result(("too late",), TurnOutcome.ANSWERED)

    hear(conversation)
    run(conversation, think)
    assert (said(conversation), told(conversation)) == ([], [("finished", "silent", "taken_over")])


def test_a_release_during_the_turn_does_not_bring_it_back(conversation: Conversation) -> None:
    """The owner is the bot again, but what the person said in between is not answered for."""

    def think(_: UUID, work: Work) -> Result:
        take_over(conversation)
        rows(
            conversation,
            "update recado.conversations set owner = 'bot', owner_fence = owner_fence + 1",
        )
        return Result(("too late",), TurnOutcome.ANSWERED)

    hear(conversation)
    run(conversation, think)
    assert said(conversation) == []


def test_a_hand_over_sends_its_words_and_gives_the_conversation_to_people(
    conversation: Conversation,
) -> None:
    hear(conversation)
    run(conversation, say("A person will answer you.", hand_over_reason="asked for a person"))
    assert said(conversation) == ["A person will answer you."]
    assert owner_of(conversation) == "human"
    hear(conversation)
    assert len(told(conversation)) == 1


def test_a_message_that_came_late_is_read_although_it_was_written_before_a_release(
    conversation: Conversation,
) -> None:
    seen: list[list[str]] = []

    def think(_: UUID, work: Work) -> Result:
        seen.append([line.body for line in work.lines])
        return Result(("ok",), TurnOutcome.ANSWERED)

    take_over(conversation)
    with db.tenant_session(conversation.tenant_id) as session:
        ownership.end(session, conversation.id)
    hear(conversation, "written after the release")
    hear(conversation, "late", created_at=clock.now() - timedelta(minutes=5))
    run(conversation, think)
    hear(conversation, "later still", created_at=clock.now() - timedelta(minutes=4))
    run(conversation, think)
    assert seen == [
        ["late", "written after the release"],
        ["written after the release", "ok", "later still"],
    ]


def test_what_was_said_before_a_release_is_not_read_again(conversation: Conversation) -> None:
    seen: list[list[str]] = []

    def think(_: UUID, work: Work) -> Result:
        seen.append([line.body for line in work.lines])
        return Result(("ok",), TurnOutcome.ANSWERED)

    hear(conversation, "I want a person")
    take_over(conversation)
    run(conversation, think)
    with db.tenant_session(conversation.tenant_id) as session:
        ownership.end(session, conversation.id)
    hear(conversation, "a new question")
    run(conversation, think)
    assert seen == [["a new question"]]
