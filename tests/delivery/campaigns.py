"""Many messages at once, by one statement."""

from sqlalchemy import text

from app import db
from app.models import Channel, Priority

FILL = text("""
    with person as (
        insert into recado.contacts (tenant_id, id, name, profile_name, attributes)
        select :tenant_id, gen_random_uuid(), '', '', '{}' from generate_series(1, :count)
        returning tenant_id, id
    ), thread as (
        insert into recado.conversations
            (tenant_id, id, channel_id, contact_id, address, status, owner, message_count)
        select tenant_id, gen_random_uuid(), :channel_id, id, '+15550001111', 'active', 'nobody', 0
        from person returning tenant_id, id, contact_id
    )
    insert into recado.messages
        (tenant_id, id, channel_id, conversation_id, contact_id, direction, status, sender,
         from_number, to_number, type, body, content, policy, priority, is_test, attempts,
         settle_reads, due_at)
    select tenant_id, gen_random_uuid(), :channel_id, id, contact_id, 'outgoing', 'queued', 'api',
           :number, '+15550001111', 'text', 'bulk', '{"type": "text", "body": "bulk"}', 'default',
           :priority, false, 0, 0, now()
    from thread
""")


def queue_texts(channel: Channel, count: int, priority: Priority = Priority.BULK) -> None:
    """Queue due texts of this channel, each in a conversation of its own."""
    with db.tenant_session(channel.tenant_id) as session:
        session.execute(
            FILL,
            {
                "tenant_id": channel.tenant_id,
                "channel_id": channel.id,
                "number": channel.phone_number,
                "count": count,
                "priority": priority,
            },
        )
