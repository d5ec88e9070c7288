"""Test messages get conversations of their own, and live callers do not see them.

Test messages that stand in a live conversation move to a test conversation of the same contact and
channel. All messages are read once to find them, while their table is locked: on a large
installation, run this migration in a quiet hour. The downgrade moves them back.
"""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import SCHEMA, as_owner, part_modes, rows_of_all_tenants

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ONE_EACH = "uq_conversations_tenant_id_channel_id_contact_id"
TABLES = ("conversations", "messages")

MOVE_APART = (
    """
    INSERT INTO recado.conversations
        (tenant_id, id, channel_id, contact_id, address, status, owner, message_count,
         last_message_at, is_test)
    SELECT c.tenant_id, gen_random_uuid(), c.channel_id, c.contact_id, c.address, 'active',
        'nobody', t.number, t.newest, true
    FROM recado.conversations c JOIN (
        SELECT tenant_id, conversation_id, count(*) AS number,
            max(greatest(created_at, due_at)) AS newest
        FROM recado.messages WHERE is_test GROUP BY tenant_id, conversation_id
    ) t ON t.tenant_id = c.tenant_id AND t.conversation_id = c.id
    """,
    """
    UPDATE recado.conversations c SET message_count = c.message_count - t.message_count,
        last_message_at = coalesce((
            SELECT max(greatest(m.created_at, m.due_at)) FROM recado.messages m
            WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.id AND NOT m.is_test
        ), c.created_at)
    FROM recado.conversations t
    WHERE t.is_test AND NOT c.is_test AND (t.tenant_id, t.channel_id, t.contact_id)
        = (c.tenant_id, c.channel_id, c.contact_id)
    """,
    """
    UPDATE recado.messages m SET conversation_id = t.id
    FROM recado.conversations c, recado.conversations t
    WHERE m.is_test AND c.tenant_id = m.tenant_id AND c.id = m.conversation_id AND NOT c.is_test
        AND t.is_test AND (t.tenant_id, t.channel_id, t.contact_id)
            = (c.tenant_id, c.channel_id, c.contact_id)
    """,
)

MOVE_TOGETHER = (
    # A conversation has at most one message in flight.
    "UPDATE recado.messages SET status = 'unknown' WHERE is_test AND status IN"
    " ('sending', 'uncertain')",
    """
    INSERT INTO recado.conversations
        (tenant_id, id, channel_id, contact_id, address, status, owner, message_count,
         last_message_at, is_test)
    SELECT tenant_id, gen_random_uuid(), channel_id, contact_id, address, status, owner, 0,
        last_message_at, false
    FROM recado.conversations WHERE is_test
    ON CONFLICT (tenant_id, channel_id, contact_id, is_test) DO NOTHING
    """,
    """
    UPDATE recado.messages m SET conversation_id = c.id
    FROM recado.conversations c, recado.conversations t
    WHERE t.is_test AND NOT c.is_test AND t.tenant_id = m.tenant_id AND t.id = m.conversation_id
        AND (t.tenant_id, t.channel_id, t.contact_id) = (c.tenant_id, c.channel_id, c.contact_id)
    """,
    """
    UPDATE recado.conversations c SET message_count = c.message_count + t.message_count,
        last_message_at = greatest(c.last_message_at, t.last_message_at)
    FROM recado.conversations t
    WHERE t.is_test AND NOT c.is_test AND (t.tenant_id, t.channel_id, t.contact_id)
        = (c.tenant_id, c.channel_id, c.contact_id)
    """,
    "DELETE FROM recado.conversations WHERE is_test",
)


@as_owner
def upgrade() -> None:
    op.add_column(
        "conversations",
        sa.Column("is_test", sa.Boolean(), server_default="false", nullable=False),
        schema=SCHEMA,
    )
    op.drop_constraint(ONE_EACH, "conversations", schema=SCHEMA)
    op.create_unique_constraint(
        f"{ONE_EACH}_is_test",
        "conversations",
        ["tenant_id", "channel_id", "contact_id", "is_test"],
        schema=SCHEMA,
    )
    with rows_of_all_tenants(*TABLES):
        for statement in MOVE_APART:
            op.execute(statement)
    for table in TABLES:
        part_modes(table)


@as_owner
def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP POLICY mode ON {SCHEMA}.{table}")
    with rows_of_all_tenants(*TABLES):
        for statement in MOVE_TOGETHER:
            op.execute(statement)
    op.drop_constraint(f"{ONE_EACH}_is_test", "conversations", schema=SCHEMA)
    op.create_unique_constraint(
        ONE_EACH, "conversations", ["tenant_id", "channel_id", "contact_id"], schema=SCHEMA
    )
    op.drop_column("conversations", "is_test", schema=SCHEMA)
