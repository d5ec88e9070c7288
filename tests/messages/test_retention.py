"""What is left when old messages are removed."""

from datetime import timedelta

import pytest

from app import db
from app.common import clock
from app.messages import retention, search, service
from app.models import Conversation, SearchBlock, Tenant
from tests.factories import ApiClient, create_conversation, create_message
from tests.simulator.harness import wait_until
from tests.world import World

OLD = clock.now() - timedelta(days=731)


@pytest.fixture
def thread(tenant: Tenant) -> Conversation:
    return create_conversation(tenant.id, message_count=7)


def forget(tenant: Tenant, most: int = 500) -> int:
    with db.tenant_session(tenant.id) as session:
        return retention.forget_old(session, most)


def test_a_conversation_stays_with_its_count_when_its_messages_are_gone(
    signed_in: ApiClient, tenant: Tenant, thread: Conversation
) -> None:
    message = create_message(tenant.id, conversation=thread, status="read", created_at=OLD)
    assert forget(tenant) == 1
    path = f"/api/whatsapp/conversations/{thread.id}"
    assert signed_in.get(path).json["message_count"] == 7
    assert signed_in.get(f"{path}/history").json == {"items": [], "next_cursor": None}
    assert signed_in.get(f"/api/messages/{message.id}").status_code == 404
    assert signed_in.get(f"/api/messages/{message.id}/timeline").status_code == 404
    body = {"conversation_id": str(thread.id), "body": "Hello again"}
    assert signed_in.post("/api/send", body).status_code == 202


def test_only_so_many_go_at_once(tenant: Tenant, thread: Conversation) -> None:
    for _ in range(3):
        create_message(tenant.id, conversation=thread, status="read", created_at=OLD)
    assert [forget(tenant, most=2) for _ in range(3)] == [2, 1, 0]


def test_a_message_that_was_to_leave_recently_is_not_old(
    tenant: Tenant, thread: Conversation
) -> None:
    create_message(
        tenant.id,
        conversation=thread,
        status="read",
        created_at=OLD,
        due_at=clock.now() - timedelta(days=700),
    )
    assert forget(tenant) == 0


def test_a_receipt_that_comes_after_its_message_is_gone_is_ignored(world: World) -> None:
    world.send()
    world.deliver()
    world.sql("update recado.messages set created_at = :old, due_at = :old", old=OLD)
    assert forget(world.tenant) == 1

    def states() -> list[str]:
        world.apply()
        return [row.state for row in world.sql("select state from recado.inbox_items")]

    assert set(wait_until(states)) == {"ignored"}


def test_the_words_of_old_messages_leave_the_search(
    signed_in: ApiClient,
    tenant: Tenant,
    thread: Conversation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "MESSAGES_IN_BLOCK", 4)
    for number in range(6):
        create_message(
            tenant.id,
            conversation=thread,
            status="read",
            body=f"number {number}",
            created_at=OLD + timedelta(hours=9 * number),
        )
    while service.index_text(tenant.id):
        pass
    assert forget(tenant) == 3
    with db.tenant_session(tenant.id) as session:
        assert session.query(SearchBlock).all() == []
    page = signed_in.get("/api/messages", query={"q": "number"}).json
    assert [each["body"] for each in page["messages"]] == ["number 5", "number 4", "number 3"]
