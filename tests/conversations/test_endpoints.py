"""Listing, showing, closing and reopening conversations."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app import db
from app.common import clock, pagination
from app.common.ids import new_id
from app.common.pagination import PageRequest
from app.common.phone import parse_address
from app.config import Settings
from app.conversations import service
from app.conversations.service import ConversationFilter
from app.conversations.window import Window, window_of
from app.models import Role, Tenant
from tests.conftest import SignIn
from tests.factories import (
    ApiClient,
    create_channel,
    create_contact,
    create_conversation,
)
from tests.reads import analyze, rows_read

PATH = "/api/whatsapp/conversations"


def ids(client: ApiClient, **query: Any) -> list[str]:
    answer = client.get(PATH, query=query)
    assert answer.status_code == 200, answer.json
    return [each["id"] for each in answer.json["items"]]


def audited(tenant: Tenant) -> list[str]:
    with db.tenant_session(tenant.id) as session:
        found = session.scalars(text("select action from recado.audit_entries order by id"))
        return [each for each in found if each.startswith("conversation")]


def test_a_conversation_is_shown_with_its_contact_channel_and_window(
    signed_in: ApiClient,
) -> None:
    heard = clock.now() - timedelta(hours=1)
    contact = create_contact(signed_in.tenant_id, address="+525512345678", name="Ana")
    channel = create_channel(signed_in.tenant_id, name="Support")
    conversation = create_conversation(
        signed_in.tenant_id, channel=channel, contact=contact, last_inbound_at=heard
    )
    shown = signed_in.get(f"{PATH}/{conversation.id}").json
    assert (shown["status"], shown["owner"], shown["window"]) == ("active", "nobody", "open")
    assert shown["window_expires_at"] == clock.isoformat(heard + timedelta(hours=24))
    assert shown["contact"] == {
        "id": str(contact.id),
        "name": "Ana",
        "phone": "+525512345678",
        "user_id": None,
    }
    assert shown["channel"]["phone_number"] == channel.phone_number


def test_the_window_of_somebody_never_heard_is_unknown(signed_in: ApiClient) -> None:
    conversation = create_conversation(signed_in.tenant_id)
    shown = signed_in.get(f"{PATH}/{conversation.id}").json
    assert (shown["window"], shown["window_expires_at"]) == ("unknown", None)


def test_a_thread_in_hand_shows_the_window_that_a_new_message_opened(tenant: Tenant) -> None:
    now = clock.now()
    row = create_conversation(tenant.id, last_inbound_at=now - timedelta(days=3))
    with db.tenant_session(tenant.id) as session:
        in_hand = service.get(session, row.id)
        assert window_of(in_hand, now) is Window.CLOSED
        service.count_incoming(session, row.id, now)
        assert window_of(service.get(session, row.id), now) is Window.OPEN
        assert in_hand.message_count == 1


def test_an_older_message_that_comes_late_does_not_shorten_the_window(tenant: Tenant) -> None:
    now = clock.now()
    row = create_conversation(tenant.id, last_inbound_at=now)
    with db.tenant_session(tenant.id) as session:
        service.count_incoming(session, row.id, now - timedelta(hours=5))
    with db.tenant_session(tenant.id) as session:
        assert service.get(session, row.id).last_inbound_at == now


def test_the_newest_message_comes_first(signed_in: ApiClient) -> None:
    now = clock.now()
    made = [
        create_conversation(signed_in.tenant_id, last_message_at=now - timedelta(minutes=each))
        for each in (2, 0, 1)
    ]
    assert ids(signed_in) == [str(made[each].id) for each in (1, 2, 0)]


def test_each_filter_finds_its_conversations(signed_in: ApiClient) -> None:
    tenant_id = signed_in.tenant_id
    contact = create_contact(tenant_id, address="+525512345678")
    known = create_conversation(tenant_id, contact=contact, owner="human")
    closed = create_conversation(tenant_id, status="closed")
    assert ids(signed_in, status="closed") == [str(closed.id)]
    assert ids(signed_in, owner="human") == [str(known.id)]
    assert ids(signed_in, channel_id=closed.channel_id) == [str(closed.id)]
    assert ids(signed_in, phone="whatsapp:+525512345678") == [str(known.id)]
    assert ids(signed_in, phone="+15550000000") == []


@pytest.mark.parametrize(
    "query",
    [
        {"status": "asleep"},
        {"owner": "me"},
        {"channel_id": "1"},
        {"phone": "x"},
        {"limit": 0},
        {"limit": 101},
        {"cursor": "garbage"},
        {"cursor": "WyJhIiwgImIiXQ"},
        {"unheard_of": 1},
    ],
)
def test_a_query_that_makes_no_sense_is_refused(
    signed_in: ApiClient, query: dict[str, Any]
) -> None:
    answer = signed_in.get(PATH, query=query)
    assert (answer.status_code, answer.json["code"]) == (422, "validation_error")


def test_pages_have_no_gap_and_no_repeat_though_moments_are_equal(signed_in: ApiClient) -> None:
    now, channel = clock.now(), create_channel(signed_in.tenant_id)

    def one_more() -> str:
        row = create_conversation(signed_in.tenant_id, channel=channel, last_message_at=now)
        return str(row.id)

    there = {one_more() for _ in range(8)}
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = signed_in.get(PATH, query=query).json
        seen += [each["id"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
        one_more()
    assert len(seen) == len(set(seen))
    assert there <= set(seen)


def test_closing_and_reopening_leave_one_trace_each(signed_in: ApiClient, tenant: Tenant) -> None:
    path = f"{PATH}/{create_conversation(tenant.id).id}"
    closed = [signed_in.post(f"{path}/close").json for _ in range(2)]
    assert closed[0]["status"] == "closed"
    assert closed[0]["closed_at"] is not None
    assert closed[1] == closed[0]
    opened = [signed_in.post(f"{path}/reopen").json for _ in range(2)]
    assert (opened[0]["status"], opened[0]["closed_at"]) == ("active", None)
    assert opened[1] == opened[0]
    assert audited(tenant) == ["conversation.closed", "conversation.reopened"]


def test_a_message_of_ours_reopens_a_closed_conversation(
    signed_in: ApiClient, tenant: Tenant
) -> None:
    conversation = create_conversation(tenant.id, status="closed", closed_at=clock.now())
    body = {"conversation_id": str(conversation.id), "body": "One thing more"}
    assert signed_in.post("/api/send", body).status_code == 202
    shown = signed_in.get(f"{PATH}/{conversation.id}").json
    assert (shown["status"], shown["closed_at"], shown["message_count"]) == ("active", None, 1)


def test_an_outsider_finds_no_conversation_of_ours(
    signed_in: ApiClient, outsider: ApiClient
) -> None:
    ours = create_conversation(signed_in.tenant_id)
    for conversation_id in (ours.id, new_id()):
        path = f"{PATH}/{conversation_id}"
        answers = [
            outsider.get(path),
            outsider.get(f"{path}/history"),
            outsider.post(f"{path}/close"),
            outsider.post(f"{path}/reopen"),
        ]
        assert {(each.status_code, each.json["code"]) for each in answers} == {
            (404, "conversation_not_found")
        }
    assert ids(outsider) == ids(outsider, channel_id=ours.channel_id) == []
    assert signed_in.get(f"{PATH}/{ours.id}").json["status"] == "active"


@pytest.mark.parametrize(("role", "status"), [(Role.AGENT, 200), (Role.VIEWER, 403)])
def test_who_may_close(sign_in: SignIn, tenant: Tenant, role: Role, status: int) -> None:
    path = f"{PATH}/{create_conversation(tenant.id).id}"
    client = sign_in(role)
    assert client.get(path).status_code == 200
    assert client.post(f"{path}/close").status_code == status


FILL = text("""
    with person as (
        insert into recado.contacts (tenant_id, id, name, profile_name, attributes)
        select :tenant_id, gen_random_uuid(), '', '', '{}' from generate_series(1, :count)
        returning tenant_id, id
    )
    insert into recado.conversations
        (tenant_id, id, channel_id, contact_id, address, status, owner, message_count)
    select tenant_id, gen_random_uuid(), :channel_id, id, '+15550001111', 'active', 'nobody', 0
    from person
""")


@pytest.mark.parametrize(
    ("wanted", "most"),
    [
        ({}, 20),
        ({"owner": "human"}, 20),
        ({"phone": parse_address("+525512345678")}, 20),
        ({"owner": "bot"}, 220),
        ({"status": "closed"}, 220),
        ({"channel_id": UUID(int=1)}, 220),
    ],
    ids=str,
)
def test_a_page_reads_a_bounded_number_of_conversations(
    tenant: Tenant,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    wanted: dict[str, Any],
    most: int,
) -> None:
    monkeypatch.setattr(pagination, "MOST_READ", 100)
    channel = create_channel(tenant.id)
    with db.tenant_session(tenant.id) as session:
        session.execute(FILL, {"tenant_id": tenant.id, "channel_id": channel.id, "count": 1500})
    contact = create_contact(tenant.id, address="+525512345678")
    create_conversation(tenant.id, channel=channel, contact=contact, owner="human")
    analyze(settings)
    with db.tenant_session(tenant.id) as session:
        look = partial(service.list_page, session, ConversationFilter(**wanted), PageRequest(10))
        assert rows_read(session, "conversations", look) <= most


def test_a_rare_conversation_is_found_page_by_page(
    signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "MOST_READ", 2)
    now = clock.now()
    made = [
        create_conversation(
            signed_in.tenant_id,
            status="closed" if number in {3, 6} else "active",
            last_message_at=now - timedelta(minutes=number),
        )
        for number in range(8)
    ]
    seen: list[str] = []
    query: dict[str, Any] = {"status": "closed"}
    while True:
        page = signed_in.get(PATH, query=query).json
        seen += [each["id"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == [str(made[3].id), str(made[6].id)]
