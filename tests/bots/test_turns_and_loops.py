"""A bot that another machine writes to stops, and people see why."""

import pytest
from sqlalchemy import text

from app import db
from app.conversations import loops
from app.models import Conversation
from tests.bots.turning import hear, owner_of, rows, run, said, say, told
from tests.factories import ApiClient

LONG = (
    "una respuesta de otra máquina, con palabras suficientes para que nadie la escriba tan rápido"
)


def chat(conversation: Conversation, number: int, words: str = LONG) -> None:
    """Another machine writes, and our bot answers."""
    hear(conversation, f"{words} {chr(97 + number // 26) + chr(97 + number % 26) * 40}")
    run(conversation, say(f"answer {number}"))


def age(conversation: Conversation, span: str) -> None:
    """Let all that was said be so long ago."""
    for column in ("created_at", "due_at"):
        rows(
            conversation,
            f"update recado.messages set {column} = {column} - interval '{span}'",
        )


def changes(conversation: Conversation) -> list[tuple[str, str]]:
    """Return (owner, reason) of each change of the owner that the business was told of."""
    query = (
        "select data->>'owner', data->>'reason' from recado.events"
        " where type = 'conversation.owner_changed' order by id"
    )
    with db.tenant_session(conversation.tenant_id) as session:
        return [tuple(row) for row in session.execute(text(query))]


def test_two_bots_stop_within_a_few_turns_and_people_see_it(
    conversation: Conversation, signed_in: ApiClient
) -> None:
    for number in range(loops.FAST_OF + 5):
        chat(conversation, number)
    answers = said(conversation)
    assert loops.FAST <= len(answers) <= loops.FAST_OF
    assert owner_of(conversation) == "human"
    assert changes(conversation) == [("bot", "bot"), ("human", "loop")]
    assert told(conversation)[-1] == ("finished", "silent", "loop")
    (shown,) = signed_in.get("/api/whatsapp/conversations?owner=human").json["items"]
    assert (shown["id"], shown["owner_reason"]) == (str(conversation.id), "loop")
    hear(conversation, "and on it goes")
    run(conversation)
    assert said(conversation) == answers, "it stays so"


def test_the_same_text_again_and_again_stops_the_bot(conversation: Conversation) -> None:
    for number in range(6):
        hear(conversation, f"Gracias por escribir. Su caso {number} será atendido.")
        run(conversation, say(f"answer {number}"))
        age(conversation, "3 minutes")
    assert len(said(conversation)) == loops.SAME - 1
    assert changes(conversation)[-1] == ("human", "loop")


def test_after_people_released_it_the_bot_begins_anew(
    conversation: Conversation, signed_in: ApiClient
) -> None:
    for number in range(loops.FAST_OF):
        chat(conversation, number)
    before = len(said(conversation))
    path = f"/api/whatsapp/conversations/{conversation.id}/release"
    assert signed_in.post(path, {"reason": "Solved."}).status_code == 200
    for number in range(loops.FAST - 2):
        chat(conversation, number)
    assert len(said(conversation)) == before + loops.FAST - 2
    assert owner_of(conversation) == "bot"


def test_a_person_of_the_business_who_writes_in_between_begins_the_count_again(
    conversation: Conversation,
) -> None:
    for number in range(loops.FAST - 1):
        chat(conversation, number)
    rows(
        conversation,
        "update recado.conversations set auto_replies_counted_from = now()",
    )
    for number in range(loops.FAST - 1):
        chat(conversation, number)
    assert len(said(conversation)) == 2 * (loops.FAST - 1)


def test_a_customer_who_takes_their_time_is_answered_all_day(
    conversation: Conversation,
) -> None:
    for number in range(40):
        chat(conversation, number)
        age(conversation, "70 seconds")
    assert len(said(conversation)) == 40


def test_slow_machines_stop_after_a_day_of_answers(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "MOST_A_DAY", 8)
    for number in range(10):
        chat(conversation, number)
        age(conversation, "15 minutes")
    assert len(said(conversation)) == 8
    assert changes(conversation)[-1] == ("human", "loop")
