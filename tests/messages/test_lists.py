"""Every filter of the list uses an index, and a page reads a limited number of rows."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app import db
from app.common import clock, pagination
from app.common.pagination import PageRequest
from app.common.phone import parse_address
from app.config import Settings
from app.messages import lists
from app.messages.lists import MessageFilter
from app.models import Channel, Conversation, Tenant
from tests import reads
from tests.factories import (
    ApiClient,
    create_channel,
    create_contact,
    create_conversation,
    create_message,
)

PHONE = "+525512345678"
CROWD = 1_500
LONG_AGO = clock.now() - timedelta(days=400)

FILL = text("""
    insert into recado.messages
        (tenant_id, id, channel_id, conversation_id, contact_id, direction, status, sender,
         from_number, to_number, type, body, content, policy, priority, is_test, attempts,
         settle_reads, created_at)
    select :tenant_id, gen_random_uuid(), :channel_id, :conversation_id, :contact_id, 'incoming',
        'received', 'contact', '+15550009999', '+14155238886', 'text', 'message ' || n, '{}',
        'default', 2, false, 0, 0, cast(:since as timestamptz) + n * interval '1 hour'
    from generate_series(1, :count) n
""")


@pytest.fixture
def thread(tenant: Tenant) -> Conversation:
    contact = create_contact(tenant.id, address=PHONE)
    return create_conversation(tenant.id, contact=contact)


@pytest.fixture
def crowd(tenant: Tenant, settings: Settings) -> Conversation:
    """Another conversation, of CROWD messages received in the months after LONG_AGO."""
    conversation = create_conversation(tenant.id)
    given = {
        "tenant_id": tenant.id,
        "channel_id": conversation.channel_id,
        "conversation_id": conversation.id,
        "contact_id": conversation.contact_id,
        "since": LONG_AGO,
        "count": CROWD,
    }
    with db.tenant_session(tenant.id) as session:
        session.execute(FILL, given)
    reads.analyze(settings)
    return conversation


def rows_read(tenant_id: UUID, limit: int = 10, **wanted: Any) -> int:
    """Return how many rows of messages the first page of this list reads."""
    page = PageRequest(limit)
    with db.tenant_session(tenant_id) as session:
        look = partial(lists.list_page, session, MessageFilter(**wanted), page)
        if "q" in wanted:
            reads.as_if_large(session)
        return reads.rows_read(session, "messages", look)


def walk(client: ApiClient, limit: int = 3, **query: Any) -> list[str]:
    """Return the bodies of all pages of a list."""
    seen: list[str] = []
    query["limit"] = limit
    while True:
        page = client.get("/api/messages", query=query).json
        seen += [each["body"] for each in page["messages"]]
        if page["next_cursor"] is None:
            return seen
        query["cursor"] = page["next_cursor"]


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"phone": parse_address(PHONE)},
        {"status": "unknown"},
        {"status": "uncertain"},
        {"status": "received"},
        {"direction": "incoming"},
        {"phone": parse_address(PHONE), "since": LONG_AGO, "until": clock.now()},
        {"since": LONG_AGO, "until": LONG_AGO + timedelta(days=1)},
        {"until": LONG_AGO + timedelta(days=1)},
        {"status": "received", "until": LONG_AGO + timedelta(days=3)},
        {"q": "message"},
    ],
    ids="-".join,
)
def test_a_filter_that_has_an_index_reads_about_what_it_shows(
    thread: Conversation, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, Any]
) -> None:
    monkeypatch.setattr(pagination, "MOST_READ", 100)
    for status in ("unknown", "read", "uncertain"):
        create_message(thread.tenant_id, conversation=thread, status=status)
    assert rows_read(thread.tenant_id, **wanted) <= 40


def test_a_conversation_reads_about_what_it_shows(
    thread: Conversation, crowd: Conversation
) -> None:
    create_message(thread.tenant_id, conversation=thread)
    assert rows_read(thread.tenant_id, conversation_id=thread.id) <= 40
    assert rows_read(thread.tenant_id, conversation_id=crowd.id) <= 40


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize(
    "wanted",
    [
        {"q": "zz"},
        {"q": "%"},
        {"q": "🎉"},
        {"q": "absent", "status": "received"},
        {"direction": "outgoing"},
        {"status": "received", "direction": "outgoing"},
        {"phone": parse_address("+34600000000")},
    ],
    ids=str,
)
def test_no_page_reads_more_than_so_many_rows(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, Any]
) -> None:
    monkeypatch.setattr(pagination, "MOST_READ", 100)
    assert rows_read(tenant.id, **wanted) <= 2 * 100 + 40


def test_a_rare_message_is_found_page_by_page(
    signed_in: ApiClient,
    crowd: Conversation,
    thread: Conversation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pagination, "MOST_READ", 100)
    for hour in (10, 500, 900):
        create_message(
            crowd.tenant_id,
            conversation=crowd,
            status="read",
            body=f"rare 🎉 {hour}",
            created_at=LONG_AGO + timedelta(hours=hour, minutes=1),
        )
    create_message(thread.tenant_id, conversation=thread, body="rare 🎉 now")
    expected = ["rare 🎉 now", "rare 🎉 900", "rare 🎉 500", "rare 🎉 10"]
    assert walk(signed_in, q="🎉") == expected
    assert walk(signed_in, direction="outgoing") == expected
    assert walk(signed_in, direction="outgoing", q="RARE") == expected
    assert walk(signed_in, conversation_id=crowd.id, q="🎉") == expected[1:]
    assert walk(signed_in, until=(LONG_AGO + timedelta(hours=600)).isoformat(), q="🎉") == [
        "rare 🎉 500",
        "rare 🎉 10",
    ]


def test_a_page_that_is_exactly_read_to_its_end_is_the_last(
    signed_in: ApiClient, thread: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        create_message(thread.tenant_id, conversation=thread, body=f"🎉 {number}")
    for most in (5, 6, 7):
        monkeypatch.setattr(pagination, "MOST_READ", most)
        assert walk(signed_in, q="🎉") == [f"🎉 {number}" for number in range(6)][::-1]
        assert walk(signed_in, q="🎉 0") == ["🎉 0"]


def test_one_person_on_several_channels_is_one_list(
    signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = signed_in.tenant_id
    contact = create_contact(tenant_id, address=PHONE)
    channels: list[Channel] = [create_channel(tenant_id) for _ in range(3)]
    threads = [
        create_conversation(tenant_id, channel=channel, contact=contact, address=PHONE)
        for channel in channels
    ]
    create_message(tenant_id, body="a stranger's")
    for number in range(12):
        create_message(tenant_id, conversation=threads[number % 3], body=f"{number}")
    create_message(tenant_id, conversation=threads[0], to_number="US.1", body="elsewhere")
    expected = [f"{number}" for number in range(12)][::-1]
    assert walk(signed_in, phone=PHONE) == expected
    monkeypatch.setattr(pagination, "MOST_READ", 2)
    assert walk(signed_in, phone=PHONE) == expected


def test_a_number_of_ours_and_one_that_belongs_to_no_contact_are_found(
    signed_in: ApiClient, thread: Conversation
) -> None:
    create_message(thread.tenant_id, conversation=thread, body="ours", from_number="+14155550100")
    create_message(thread.tenant_id, conversation=thread, body="theirs", to_number="+34600000000")
    assert walk(signed_in, phone="+14155550100") == ["ours"]
    assert walk(signed_in, phone="+34600000000") == ["theirs"]
