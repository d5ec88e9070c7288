"""The scheduler enqueues tasks for due work, and for nothing else."""

from datetime import timedelta
from typing import Any

import pytest

from app import db
from app.common import clock
from app.common.ids import new_id
from app.models import Channel, InboxItem, Message, Priority, Status, Tenant
from app.tasks import names, schedule
from app.tasks.due import FIRST, DueWork
from tests.factories import (
    create_channel,
    create_conversation,
    create_message,
    create_tenant,
    save,
)

LATER = timedelta(hours=1)


@pytest.fixture
def channel(tenant: Tenant) -> Channel:
    return create_channel(tenant.id)


def due(task: str) -> set[tuple[Any, ...]]:
    """Return the ids for which this task would be enqueued now."""
    rings = [ring for kind in schedule.DUE for ring in look_at_all(kind)]
    return {ring[1:] for ring in rings if ring[0] == task}


def look_at_all(kind: DueWork) -> list[tuple[Any, ...]]:
    first = {f"after_{column}": FIRST for column in kind.key}
    with db.system_session() as session:
        given = {"most": 10_000, **first, **kind.parameters()}
        rows = session.execute(kind.query, given).all()
    return [ring for row in rows for ring in kind.rings(row)]


def queued(channel: Channel, **values: Any) -> Message:
    conversation = create_conversation(channel.tenant_id, channel=channel)
    return create_message(channel.tenant_id, conversation=conversation, **values)


def received(channel: Channel, **values: Any) -> None:
    row = InboxItem(channel_id=channel.id, event_key=new_id().hex, raw="", **values)
    save(channel.tenant_id, row)


def is_rung(channel: Channel, task: str = names.DELIVER_CHANNEL) -> bool:
    return (channel.tenant_id, channel.id) in due(task)


@pytest.mark.parametrize("priority", list(Priority))
def test_a_channel_with_due_messages_is_rung_whatever_their_priority(
    channel: Channel, priority: Priority
) -> None:
    is_reply = priority is Priority.REPLY
    assert not is_rung(channel)
    queued(channel, priority=priority)
    assert is_rung(channel, names.DELIVER_REPLIES) == is_reply
    assert is_rung(channel, names.DELIVER_CHANNEL) != is_reply


def test_what_is_due_later_or_must_wait_for_its_retry_rings_nobody(channel: Channel) -> None:
    queued(channel, due_at=clock.now() + LATER)
    queued(channel, retry_at=clock.now() + LATER)
    queued(channel, status=Status.CANCELED)
    assert not is_rung(channel)
    queued(channel, retry_at=clock.now() - LATER)
    assert is_rung(channel)


def test_every_channel_of_every_tenant_is_found(tenant: Tenant) -> None:
    channels = [create_channel(owner.id) for owner in (tenant, tenant, create_tenant())]
    for each in channels:
        queued(each)
    assert {(each.tenant_id, each.id) for each in channels} <= due(names.DELIVER_CHANNEL)


def test_a_tenant_is_rung_for_what_waits_in_its_inbox(tenant: Tenant, channel: Channel) -> None:
    received(channel, due_at=clock.now() + LATER)
    received(channel, state="applied")
    assert (tenant.id,) not in due(names.APPLY_INBOX)
    received(channel)
    assert (tenant.id,) in due(names.APPLY_INBOX)
