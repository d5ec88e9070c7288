"""Migration 0011 renames stored templates and events, and its downgrade reverts that."""

import json
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from app.common.ids import new_id

BEFORE, AFTER = "0010", "0011"
TEMPLATE = {"type": "template", "body": "", "content_sid": "HX1", "content_variables": {"1": "Ana"}}
TEXT = {"type": "text", "body": "content_sid"}
RENAMED = {
    "type": "template",
    "body": "",
    "template": {"id": "HX1", "variables": {"1": "Ana"}},
}
FILL = """
    insert into recado.tenants (tenant_id, name, status, timezone, language, data_key)
    values (:tenant, 'a', 'active', 'UTC', 'es', '');
    insert into recado.channels (tenant_id, id, name, provider, account, phone_number, key,
        credentials, credential_hints, messages_per_second, is_default, status, verification)
    values (:tenant, :channel, 'a', 'twilio', 'AC1', '+1', 'k', '', '{}', 80, true, 'active', '{}');
    insert into recado.contacts (tenant_id, id, name, profile_name, attributes)
    values (:tenant, :contact, '', '', '{}');
    insert into recado.conversations (tenant_id, id, channel_id, contact_id, address, status, owner,
        message_count)
    values (:tenant, :thread, :channel, :contact, '+2', 'active', 'nobody', 1);
    insert into recado.messages (tenant_id, id, channel_id, conversation_id, contact_id, direction,
        status, sender, from_number, to_number, type, body, content, fallback, policy, priority,
        is_test, attempts, settle_reads, due_at)
    values
        (:tenant, :first, :channel, :thread, :contact, 'outgoing', 'queued', 'api', '+1', '+2',
        'template', '', cast(:template as jsonb), null, 'default', 1, false, 0, 0, now()),
        (:tenant, :second, :channel, :thread, :contact, 'outgoing', 'queued', 'api', '+1', '+2',
        'text', '', cast(:text as jsonb), cast(:template as jsonb), 'default', 1, false, 0, 0,
        now());
    insert into recado.events (tenant_id, id, type, message_id, data) values
        (:tenant, :event, 'message.uncertain', :first,
        jsonb_build_object('message_sid', 'SM1', 'status', 'x')),
        (:tenant, :other_event, 'inbox.parked', null, jsonb_build_object('item_id', '1'));
"""


def upgrade(migrations: Config, revision: str) -> None:
    command.upgrade(migrations, revision)
    migrations.attributes["connection"].commit()


def stored(login: Connection, statement: str) -> list[Any]:
    return [tuple(row) for row in login.execute(text(statement))]


def test_templates_and_events_get_their_new_words_and_their_old_ones_back(
    migrations: Config, login: Connection
) -> None:
    upgrade(migrations, BEFORE)
    names = ("tenant", "channel", "contact", "thread", "first", "second", "event", "other_event")
    given: dict[str, Any] = {name: new_id() for name in names}
    fill(login, given)
    messages = "select content, fallback from recado.messages order by type"
    events = "select type, data from recado.events order by type"
    assert stored(login, messages) == [(TEMPLATE, None), (TEXT, TEMPLATE)]
    upgrade(migrations, AFTER)
    assert stored(login, messages) == [(RENAMED, None), (TEXT, RENAMED)]
    assert stored(login, "select distinct version from recado.events") == [(1,)]
    assert stored(login, events) == [
        ("inbox.item_parked", {"item_id": "1"}),
        ("message.marked_uncertain", {"provider_message_id": "SM1", "status": "x"}),
    ]
    command.downgrade(migrations, BEFORE)
    migrations.attributes["connection"].commit()
    assert stored(login, messages) == [(TEMPLATE, None), (TEXT, TEMPLATE)]
    assert stored(login, events) == [
        ("inbox.parked", {"item_id": "1"}),
        ("message.uncertain", {"message_sid": "SM1", "status": "x"}),
    ]


def fill(login: Connection, given: dict[str, Any]) -> None:
    """Insert rows of one tenant, as the previous version wrote them."""
    documents = {"template": json.dumps(TEMPLATE), "text": json.dumps(TEXT)}
    for statement in FILL.strip().removesuffix(";").split(";\n"):
        login.execute(text(statement), {**given, **documents})
