"""One person, one contact, however they write."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text

from app import db
from app.common import clock
from app.common.ids import new_id
from app.common.phone import Address, parse_address
from app.contacts import service
from app.contacts.service import ContactSummary
from app.models import Contact, Message, Owner, Tenant
from tests.factories import (
    create_channel,
    create_contact,
    create_conversation,
    create_message,
    save,
)

PHONE = parse_address("+15551234567")
USER_ID = parse_address("US.13491208655302741918")


def find(tenant: Tenant, *addresses: Address, profile_name: str = "") -> UUID:
    with db.tenant_session(tenant.id) as session:
        return service.find_or_create(session, addresses, profile_name)


def described(tenant: Tenant, contact_id: UUID) -> dict[str, Any]:
    with db.tenant_session(tenant.id) as session:
        return asdict(service.summaries(session, [contact_id])[contact_id])


def rows(tenant: Tenant, statement: str) -> list[Any]:
    with db.tenant_session(tenant.id) as session:
        return list(session.execute(text(statement)))


def test_a_stranger_becomes_a_contact_with_every_address(tenant: Tenant) -> None:
    contact_id = find(tenant, PHONE, USER_ID, profile_name="Ana")
    assert described(tenant, contact_id) == {
        "id": contact_id,
        "name": "Ana",
        "phone": PHONE.value,
        "user_id": USER_ID.value,
    }


def test_either_address_finds_the_same_contact(tenant: Tenant) -> None:
    contact_id = find(tenant, PHONE, USER_ID)
    assert find(tenant, PHONE) == find(tenant, USER_ID) == contact_id


def test_a_new_address_is_added_to_whom_it_belongs(tenant: Tenant) -> None:
    contact_id = find(tenant, PHONE)
    assert find(tenant, PHONE, USER_ID) == contact_id
    assert find(tenant, USER_ID) == contact_id


def test_a_newer_profile_name_replaces_the_older_and_silence_does_not(tenant: Tenant) -> None:
    contact_id = find(tenant, PHONE, profile_name="Ana")
    find(tenant, PHONE, profile_name="Ana M.")
    find(tenant, PHONE)
    assert described(tenant, contact_id)["name"] == "Ana M."


def test_what_a_receipt_teaches_takes_no_address_from_anybody(tenant: Tenant) -> None:
    by_phone, by_user_id = find(tenant, PHONE), find(tenant, USER_ID)
    other = parse_address("US.2")
    with db.tenant_session(tenant.id) as session:
        service.learn(session, by_phone, [PHONE, USER_ID, other])
    assert (find(tenant, USER_ID), find(tenant, other)) == (by_user_id, by_phone)


def test_two_tenants_know_the_same_person_apart(tenant: Tenant, outsider: Any) -> None:
    with db.tenant_session(outsider.tenant_id) as session:
        theirs = service.find_or_create(session, [PHONE])
    assert find(tenant, PHONE) != theirs


@pytest.mark.parametrize("addresses", [[[PHONE]], [[PHONE, USER_ID], [USER_ID], [PHONE]]])
def test_simultaneous_first_messages_make_one_contact(
    tenant: Tenant, addresses: list[list[Address]]
) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: find(tenant, *addresses[number % len(addresses)]), range(16)))
    find(tenant, *addresses[0])
    assert len(rows(tenant, "select id from recado.contacts")) == 1


def test_one_message_that_shows_both_addresses_joins_two_contacts(tenant: Tenant) -> None:
    channel = create_channel(tenant.id)
    keep = create_contact(tenant.id, address=PHONE.value, attributes={"a": 1, "b": 1})
    lose = create_contact(
        tenant.id, address=USER_ID.value, kind="user_id", name="Ana", attributes={"b": 2, "c": 2}
    )
    threads = [
        create_conversation(tenant.id, channel=channel, contact=each, message_count=1)
        for each in (keep, lose)
    ]
    for thread in threads:
        create_message(tenant.id, conversation=thread, status="read", due_at=None)
    assert find(tenant, PHONE, USER_ID) == keep.id
    assert described(tenant, keep.id)["name"] == "Ana"
    (contact,) = rows(tenant, "select id, attributes from recado.contacts")
    assert (contact.id, contact.attributes) == (keep.id, {"a": 1, "b": 1, "c": 2})
    (thread,) = rows(tenant, "select id, message_count from recado.conversations")
    assert (thread.id, thread.message_count) == (threads[0].id, 2)
    found = rows(tenant, "select conversation_id, contact_id from recado.messages")
    assert {tuple(each) for each in found} == {(threads[0].id, keep.id)}
    told = rows(tenant, "select data from recado.events where type = 'contact.merged'")
    gone = {"id": str(threads[0].id), "merged_id": str(threads[1].id)}
    assert [each.data for each in told] == [
        {"contact_id": str(keep.id), "merged_id": str(lose.id), "conversations": [gone]}
    ]


def test_a_thread_on_another_channel_moves_whole(tenant: Tenant) -> None:
    keep = create_contact(tenant.id, address=PHONE.value)
    lose = create_contact(tenant.id, address=USER_ID.value, kind="user_id")
    thread = create_conversation(tenant.id, contact=lose)
    message: Message = create_message(tenant.id, conversation=thread)
    find(tenant, PHONE, USER_ID)
    (moved,) = rows(tenant, "select id, contact_id from recado.conversations")
    assert (moved.id, moved.contact_id) == (thread.id, keep.id)
    (found,) = rows(tenant, "select id, contact_id from recado.messages")
    assert (found.id, found.contact_id) == (message.id, keep.id)


def test_joined_threads_keep_the_person_who_took_over_and_the_latest_window(
    tenant: Tenant,
) -> None:
    channel, now = create_channel(tenant.id), clock.now()
    keep = create_contact(tenant.id, address=PHONE.value)
    lose = create_contact(tenant.id, address=USER_ID.value, kind="user_id", profile_name="Ana")
    create_conversation(
        tenant.id, channel=channel, contact=keep, last_inbound_at=now - timedelta(days=2)
    )
    create_conversation(
        tenant.id,
        channel=channel,
        contact=lose,
        last_inbound_at=now,
        window_closed_at=now,
        owner=Owner.HUMAN,
    )
    find(tenant, PHONE, USER_ID)
    columns = "owner, last_inbound_at, window_closed_at"
    (thread,) = rows(tenant, f"select {columns} from recado.conversations")
    assert tuple(thread) == ("human", now, now)
    assert described(tenant, keep.id)["name"] == "Ana"


def test_threads_that_both_have_a_message_in_flight_are_joined_later(tenant: Tenant) -> None:
    channel = create_channel(tenant.id)
    people = [
        create_contact(tenant.id, address=PHONE.value),
        create_contact(tenant.id, address=USER_ID.value, kind="user_id"),
    ]
    in_flight = [
        create_message(
            tenant.id,
            conversation=create_conversation(tenant.id, channel=channel, contact=each),
            status="uncertain",
        )
        for each in people
    ]
    assert find(tenant, PHONE, USER_ID) == people[0].id
    assert len(rows(tenant, "select id from recado.contacts")) == 2
    with db.tenant_session(tenant.id) as session:
        session.merge(in_flight[1]).status = "read"
    find(tenant, PHONE, USER_ID)
    assert len(rows(tenant, "select id from recado.contacts")) == 1


def test_a_page_of_contacts_is_described_by_one_query(tenant: Tenant) -> None:
    ids = [find(tenant, parse_address(f"+5255123456{number:02}")) for number in range(20)]
    find(tenant, parse_address("+525512345600"), USER_ID)
    with db.tenant_session(tenant.id) as session:
        asked: list[str] = []
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *call: asked.append(call[2]))
        found = service.summaries(session, [*ids, ids[0], new_id()])
        assert len(asked) == 1
    assert set(found) == set(ids)
    assert found[ids[0]] == ContactSummary(ids[0], "", "+525512345600", USER_ID.value)


def test_a_contact_without_an_address_is_described(tenant: Tenant) -> None:
    contact = save(tenant.id, Contact(name="Ana"))
    assert described(tenant, contact.id)["phone"] is None
