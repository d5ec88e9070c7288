"""Rows that others refer to cannot be deleted, but a whole tenant can."""

from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app import db
from app.common import clock
from app.models import Attempt, DailyUsage, InboxItem, Tenant
from tests.common.census import row_counts
from tests.factories import (
    create_api_key,
    create_bot,
    create_channel,
    create_contact,
    create_conversation,
    create_message,
    create_refresh_token,
    create_session,
    create_user,
    save,
)


def delete(tenant: Tenant, table: str, row_id: UUID) -> None:
    with db.tenant_session(tenant.id) as session:
        session.execute(text(f"delete from recado.{table} where id = :id"), {"id": row_id})


def test_a_contact_with_an_address_alone_is_kept(tenant: Tenant) -> None:
    contact = create_contact(tenant.id)
    with pytest.raises(IntegrityError, match="fk_contact_aliases_tenant_id_contact_id_contacts"):
        delete(tenant, "contacts", contact.id)


def test_a_contact_with_a_conversation_is_kept(tenant: Tenant) -> None:
    conversation = create_conversation(tenant.id)
    with db.tenant_session(tenant.id) as session:
        session.execute(text("delete from recado.contact_aliases"))
    with pytest.raises(IntegrityError, match="fk_conversations_tenant_id_contact_id_contacts"):
        delete(tenant, "contacts", conversation.contact_id)


def test_a_conversation_with_a_message_is_kept(tenant: Tenant) -> None:
    message = create_message(tenant.id)
    with pytest.raises(IntegrityError, match="fk_messages_tenant_id_conversation_id_conversations"):
        delete(tenant, "conversations", message.conversation_id)


def test_a_channel_with_a_conversation_is_kept(tenant: Tenant) -> None:
    conversation = create_conversation(tenant.id)
    with pytest.raises(IntegrityError, match="fk_conversations_tenant_id_channel_id_channels"):
        delete(tenant, "channels", conversation.channel_id)


def test_a_channel_whose_webhooks_were_acknowledged_is_kept(tenant: Tenant) -> None:
    channel = create_channel(tenant.id)
    save(tenant.id, InboxItem(channel_id=channel.id, event_key="in:SM1", raw=""))
    with pytest.raises(IntegrityError, match="fk_inbox_items_tenant_id_channel_id_channels"):
        delete(tenant, "channels", channel.id)


def test_a_channel_with_a_bot_is_kept(tenant: Tenant) -> None:
    bot = create_bot(tenant.id)
    with pytest.raises(IntegrityError, match="fk_bots_tenant_id_channel_id_channels"):
        delete(tenant, "channels", bot.channel_id)


def test_a_bot_is_deleted_with_its_versions(tenant: Tenant) -> None:
    delete(tenant, "bots", create_bot(tenant.id).id)
    assert row_counts(tenant.id)[tenant.id, "bot_versions"] == 0


def test_a_whole_tenant_is_deleted_by_one_statement(tenant: Tenant) -> None:
    message = create_message(tenant.id)
    save(tenant.id, Attempt(message_id=message.id, number=1))
    save(tenant.id, InboxItem(channel_id=message.channel_id, event_key="in:SM1", raw=""))
    save(tenant.id, DailyUsage(day=clock.now().date(), sent=1))
    create_refresh_token(create_session(create_user(tenant.id)))
    create_api_key(tenant.id)
    create_bot(tenant.id)
    with db.tenant_session(tenant.id) as session:
        session.execute(text("delete from recado.tenants"))
    assert set(row_counts(tenant.id).values()) == {0}
