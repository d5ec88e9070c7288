"""Automatic replies that still wait when a person takes a conversation over."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app import db
from app.common import clock
from app.conversations import ownership
from app.models import Conversation, Message, Tenant
from tests.factories import (
    ApiClient,
    create_bot,
    create_channel,
    create_conversation,
    create_message,
)

PATH = "/api/whatsapp/conversations"


@pytest.fixture
def conversation(signed_in: ApiClient) -> Conversation:
    return create_conversation(signed_in.tenant_id, owner="bot")


def automatic(conversation: Conversation, **fields: Any) -> Message:
    return create_message(conversation.tenant_id, conversation=conversation, sender="bot", **fields)


def statuses(conversation: Conversation) -> list[str]:
    query = text("select status from recado.messages where conversation_id = :id order by id")
    with db.tenant_session(conversation.tenant_id) as session:
        return list(session.scalars(query, {"id": conversation.id}))


def test_replies_that_wait_are_canceled(signed_in: ApiClient, conversation: Conversation) -> None:
    automatic(conversation)
    automatic(conversation)
    create_message(conversation.tenant_id, conversation=conversation, sender="api")
    other = create_conversation(conversation.tenant_id, address="+15550000007", owner="bot")
    automatic(other)
    answer = signed_in.post(f"{PATH}/{conversation.id}/take-over", {"reason": "Mine."})
    assert answer.status_code == 200
    assert statuses(conversation) == ["canceled", "canceled", "queued"]
    assert statuses(other) == ["queued"]


def test_a_person_who_writes_cancels_them_too(
    signed_in: ApiClient, conversation: Conversation
) -> None:
    automatic(conversation)
    body = {"conversation_id": str(conversation.id), "body": "I am Ana."}
    answer = signed_in.post("/api/send", body)
    assert answer.status_code == 202, answer.json
    assert statuses(conversation) == ["canceled", "queued"]


def test_a_reply_on_its_way_is_not_sent_again(
    signed_in: ApiClient, conversation: Conversation
) -> None:
    automatic(conversation, status="sending")
    signed_in.post(f"{PATH}/{conversation.id}/take-over", {"reason": "Mine."})
    query = text("select status, valid_until <= now() from recado.messages")
    with db.tenant_session(conversation.tenant_id) as session:
        assert tuple(session.execute(query).one()) == ("sending", True)


def test_the_words_of_a_hand_over_are_sent(tenant: Tenant) -> None:
    conversation = create_conversation(tenant.id, owner="bot")
    automatic(conversation)
    with db.tenant_session(tenant.id) as session:
        ownership.hand_over(session, conversation.id, "asked for a person")
    assert statuses(conversation) == ["queued"]


@pytest.mark.parametrize(
    ("before", "has_bot", "body", "wanted"),
    [
        ("bot", True, {"body": "I am Ana."}, "human"),
        ("nobody", True, {"body": "I am Ana."}, "human"),
        ("nobody", False, {"body": "I am Ana."}, "nobody"),
        ("nobody", True, {"content_sid": f"HX{'0' * 32}"}, "nobody"),
        ("bot", True, {"content_sid": f"HX{'0' * 32}"}, "human"),
        ("bot", True, {"body": "Later.", "send_at": "tomorrow"}, "bot"),
    ],
)
def test_who_replies_where_a_bot_would_answer_takes_over(
    signed_in: ApiClient, before: str, has_bot: bool, body: dict[str, Any], wanted: str
) -> None:
    tenant_id = signed_in.tenant_id
    channel = create_channel(tenant_id)
    if has_bot:
        create_bot(tenant_id, channel=channel)
    thread = create_conversation(
        tenant_id, channel=channel, owner=before, last_inbound_at=clock.now()
    )
    if "send_at" in body:
        body = {**body, "send_at": (clock.now() + timedelta(hours=2)).isoformat()}
    answer = signed_in.post("/api/send", {**body, "conversation_id": str(thread.id)})
    assert answer.status_code == 202, answer.json
    shown = signed_in.get(f"{PATH}?owner={wanted}").json["items"]
    assert [each["id"] for each in shown] == [str(thread.id)]


def test_who_writes_first_leaves_the_answer_to_the_bot(signed_in: ApiClient) -> None:
    channel = create_channel(signed_in.tenant_id)
    create_bot(signed_in.tenant_id, channel=channel)
    thread = create_conversation(signed_in.tenant_id, channel=channel)
    body = {"body": "Good news!", "conversation_id": str(thread.id)}
    assert signed_in.post("/api/send", body).status_code == 202
    assert len(signed_in.get(f"{PATH}?owner=nobody").json["items"]) == 1
