"""Migration 0014 moves test messages out of live conversations, and its downgrade moves them
back."""

from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from app.common.ids import new_id

BEFORE, AFTER = "0013", "0014"
FILL = """
    insert into recado.tenants (tenant_id, name, status, timezone, language, data_key)
    values (:tenant, 'a', 'active', 'UTC', 'es', '');
    insert into recado.channels (tenant_id, id, name, provider, account, phone_number, key,
        credentials, credential_hints, messages_per_second, is_default, status, verification)
    values (:tenant, :channel, 'a', 'twilio', 'AC1', '+1', 'k', '', '{}', 80, true, 'active', '{}');
    insert into recado.contacts (tenant_id, id, name, profile_name, attributes) values
        (:tenant, :both, '', '', '{}'), (:tenant, :tested, '', '', '{}');
    insert into recado.conversations (tenant_id, id, channel_id, contact_id, address, status, owner,
        message_count, last_message_at)
    values (:tenant, :mixed, :channel, :both, '+2', 'active', 'human', 3, '2026-01-03'),
        (:tenant, :trial, :channel, :tested, '+3', 'active', 'nobody', 1, '2026-01-03');
"""
MESSAGE = """
    insert into recado.messages (tenant_id, id, channel_id, conversation_id, contact_id, direction,
        status, sender, from_number, to_number, type, body, content, policy, priority, is_test,
        attempts, settle_reads, created_at)
    values (:tenant, :id, :channel, :thread, :contact, 'outgoing', 'read', 'api', '+1', '+2',
        'text', :body, '{}', 'default', 1, :is_test, 0, 0, :at)
"""
MESSAGES = "select body, is_test, conversation_id from recado.messages order by body"
THREADS = """
    select contact_id, is_test, owner, message_count, cast(cast(last_message_at as date) as text)
    from recado.conversations order by contact_id, is_test
"""


def go(migrations: Config, to: Any, revision: str) -> None:
    to(migrations, revision)
    migrations.attributes["connection"].commit()


def stored(login: Connection, statement: str) -> list[Any]:
    return [tuple(row) for row in login.execute(text(statement))]


def test_test_messages_move_to_conversations_of_their_own_and_back(
    migrations: Config, login: Connection
) -> None:
    go(migrations, command.upgrade, BEFORE)
    names = ("tenant", "channel", "both", "tested", "mixed", "trial")
    given: dict[str, Any] = {name: new_id() for name in names}
    for statement in FILL.strip().removesuffix(";").split(";\n"):
        login.execute(text(statement), given)
    for body, thread, contact, is_test, at in (
        ("a", "mixed", "both", False, "2026-01-01"),
        ("b", "mixed", "both", False, "2026-01-02"),
        ("c", "mixed", "both", True, "2026-01-03"),
        ("d", "trial", "tested", True, "2026-01-03"),
    ):
        row = {"id": new_id(), "body": body, "is_test": is_test, "at": at}
        row |= {"thread": given[thread], "contact": given[contact]}
        login.execute(text(MESSAGE), {**given, **row})
    before = (stored(login, MESSAGES), stored(login, THREADS.replace(", is_test", "")))
    go(migrations, command.upgrade, AFTER)
    both, tested = given["both"], given["tested"]
    assert stored(login, THREADS) == [
        (both, False, "human", 2, "2026-01-02"),
        (both, True, "nobody", 1, "2026-01-03"),
        (tested, False, "nobody", 0, stored(login, THREADS)[2][4]),
        (tested, True, "nobody", 1, "2026-01-03"),
    ]
    threads = {body: thread for body, _, thread in stored(login, MESSAGES)}
    assert threads["a"] == threads["b"] == given["mixed"]
    assert len({threads["a"], threads["c"], threads["d"], given["trial"]}) == 4
    go(migrations, command.downgrade, BEFORE)
    after = (stored(login, MESSAGES), stored(login, THREADS.replace(", is_test", "")))
    assert after[0] == before[0]
    assert [row[:3] for row in after[1]] == [row[:3] for row in before[1]]
