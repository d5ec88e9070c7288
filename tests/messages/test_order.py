"""Histories and lists keep the order in which people saw messages, even if clocks differ."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app import db
from app.common import clock
from app.common.ids import id_at
from app.inbox import repository as inbox
from app.messages import content, send
from app.messages import service as messages
from app.models import Conversation, KeywordReply, Sender, Tenant
from tests.factories import ApiClient, create_conversation, create_message, save
from tests.inbox.lists import outage, run
from tests.world import World

HOUR = timedelta(hours=1)


def made_elsewhere(skew: timedelta) -> Callable[[], UUID]:
    """Return a function that makes ids as on a machine whose clock is off by `skew`."""
    return lambda: id_at(clock.now() + skew)


def history(client: ApiClient, conversation_id: Any) -> list[str]:
    path = f"/api/whatsapp/conversations/{conversation_id}/history"
    return [each["body"] for each in client.get(path).json["items"]]


def newest_first(client: ApiClient, **query: Any) -> list[str]:
    page = client.get("/api/messages", query=query).json
    return [each["body"] for each in page["messages"]]


@pytest.fixture
def clocks_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock of the receiving machine an hour ahead, of the sending one an hour behind."""
    monkeypatch.setattr(inbox, "new_id", made_elsewhere(HOUR))
    monkeypatch.setattr(send, "new_id", made_elsewhere(-HOUR))


@pytest.mark.usefixtures("clocks_differ")
def test_a_keyword_reply_stands_behind_its_question(world: World) -> None:
    save(world.tenant.id, KeywordReply(keywords=["hola"], reply="¡Bienvenida!"))
    for _ in range(2):
        world.write(body="hola")
        world.apply()
    (thread,) = world.conversations()
    expected = ["hola", "¡Bienvenida!"] * 2
    assert history(world.owner, thread["id"]) == expected
    assert newest_first(world.owner) == expected[::-1]
    assert newest_first(world.owner, conversation_id=thread["id"]) == expected[::-1]
    assert newest_first(world.owner, phone="+15551234567") == expected[::-1]


@pytest.mark.usefixtures("clocks_differ")
def test_an_answer_by_api_stands_behind_its_question(world: World) -> None:
    world.write(body="Are you open?")
    world.apply()
    world.send(body="Yes")
    world.write(body="Until when?")
    world.apply()
    (thread,) = world.conversations()
    assert history(world.owner, thread["id"]) == ["Are you open?", "Yes", "Until when?"]


def test_an_answer_stands_behind_a_question_that_came_after_its_transaction_had_begun(
    world: World,
) -> None:
    with db.tenant_session(world.tenant.id) as session:
        world.write(body="Are you open?")
        world.apply()
        (thread,) = world.conversations()
        for answer in ("Yes", "Until nine"):
            order = messages.Order(
                content=content.text(answer),
                conversation_id=UUID(thread["id"]),
                sender=Sender.BOT,
            )
            messages.queue_message(session, order)
    assert history(world.owner, thread["id"]) == ["Are you open?", "Yes", "Until nine"]


def test_a_message_found_by_a_repair_stands_where_it_was_written(world: World) -> None:
    world.write(body="first")
    world.apply()
    with outage(world):
        world.write(body="lost")
    world.sql("update recado.channels set repair_at = now()")
    world.send(body="answer to first")
    run(world)
    world.apply()
    world.send(body="answer to lost")
    (thread,) = world.conversations()
    found = history(world.owner, thread["id"])
    assert found.index("lost") < found.index("answer to first")
    assert found.index("first") < found.index("answer to first")
    assert found[-1] == "answer to lost"
    assert newest_first(world.owner) == found[::-1]


def test_a_scheduled_message_stands_where_it_is_due(world: World) -> None:
    soon = clock.now() + HOUR
    world.send(body="reminder", send_at=soon.isoformat())
    world.write(body="question")
    world.apply()
    world.send(body="answer")
    (thread,) = world.conversations()
    assert history(world.owner, thread["id"]) == ["question", "answer", "reminder"]
    assert newest_first(world.owner) == ["reminder", "answer", "question"]
    assert newest_first(world.owner, until=soon.isoformat()) == ["answer", "question"]
    assert newest_first(world.owner, since=soon.isoformat()) == ["reminder"]


def test_a_moment_in_the_past_puts_no_message_before_what_was_there(world: World) -> None:
    world.write(body="question")
    world.apply()
    world.send(body="answer", send_at=(clock.now() - timedelta(minutes=4)).isoformat())
    (thread,) = world.conversations()
    assert history(world.owner, thread["id"]) == ["question", "answer"]


def test_a_message_that_a_person_sends_again_stands_where_it_goes_out(
    signed_in: ApiClient, thread: Conversation
) -> None:
    day_ago = clock.now() - timedelta(days=1)
    unknown = create_message(
        thread.tenant_id,
        conversation=thread,
        status="unknown",
        body="again",
        created_at=day_ago,
        due_at=day_ago,
    )
    create_message(thread.tenant_id, conversation=thread, body="later", status="read")
    assert history(signed_in, thread.id) == ["again", "later"]
    path = f"/api/messages/{unknown.id}/settle"
    assert signed_in.post(path, {"outcome": "send_again"}).status_code == 200
    assert history(signed_in, thread.id) == ["later", "again"]


@pytest.fixture
def thread(tenant: Tenant) -> Conversation:
    return create_conversation(tenant.id)


@pytest.mark.parametrize("is_history", [True, False])
def test_a_campaign_of_one_moment_is_walked_without_gap_or_repeat(
    signed_in: ApiClient, thread: Conversation, is_history: bool
) -> None:
    moment = clock.now() + HOUR

    def one_more(at: Any) -> str:
        row = create_message(thread.tenant_id, conversation=thread, due_at=at)
        return str(row.id)

    there = [one_more(moment) for _ in range(9)]
    path, name = "/api/messages", "messages"
    if is_history:
        path, name = f"/api/whatsapp/conversations/{thread.id}/history", "items"
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = signed_in.get(path, query=query).json
        seen += [each["id"] for each in page[name]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
        # Add one message before and one after the position of the cursor.
        if len(seen) < 8:
            one_more(moment - timedelta(seconds=1))
            one_more(moment + timedelta(seconds=1))
    assert len(seen) == len(set(seen))
    assert [each for each in seen if each in there] == (there if is_history else there[::-1])
