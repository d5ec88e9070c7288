"""Any provider; provider-neutral names in templates and events.

Only the code defines which providers exist. A message names its template in `template` instead of
in a provider's fields. Events get a version, and names in the past tense. The index of events by
message is dropped, because nothing queries the events of one message any more.
"""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import SCHEMA, as_owner, rows_of_all_tenants

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

RENAMED = {
    "message.uncertain": "message.marked_uncertain",
    "message.unknown": "message.marked_unknown",
    "inbox.parked": "inbox.item_parked",
}


@as_owner
def upgrade() -> None:
    op.drop_constraint(op.f("ck_channels_provider"), "channels", schema=SCHEMA)
    op.add_column(
        "events",
        sa.Column("version", sa.SmallInteger(), server_default="1", nullable=False),
        schema=SCHEMA,
    )
    op.drop_index("ix_events_message_id", "events", schema=SCHEMA)
    with rows_of_all_tenants("messages", "events"):
        for column in ("content", "fallback"):
            op.execute(_to_template(column))
        _rename_events(RENAMED, "message_sid", "provider_message_id")


@as_owner
def downgrade() -> None:
    with rows_of_all_tenants("messages", "events"):
        back = {new: old for old, new in RENAMED.items()}
        _rename_events(back, "provider_message_id", "message_sid")
        for column in ("content", "fallback"):
            op.execute(_from_template(column))
    _index_oldest_part()
    op.create_index(
        "ix_events_message_id",
        "events",
        ["tenant_id", "message_id", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text("message_id is not null"),
    )
    op.drop_column("events", "version", schema=SCHEMA)
    op.create_check_constraint(
        op.f("ck_channels_provider"), "channels", "provider IN ('twilio', 'meta')", schema=SCHEMA
    )


def _to_template(column: str) -> str:
    return f"""
        UPDATE {SCHEMA}.messages
        SET {column} = {column} - 'content_sid' - 'content_variables' || jsonb_build_object(
            'template', jsonb_build_object(
                'id', {column}->'content_sid',
                'variables', coalesce({column}->'content_variables', '{{}}')))
        WHERE {column} ? 'content_sid'
    """  # noqa: S608 (our own names)


def _from_template(column: str) -> str:
    return f"""
        UPDATE {SCHEMA}.messages
        SET {column} = {column} - 'template' || jsonb_build_object(
            'content_sid', {column}->'template'->'id',
            'content_variables', {column}->'template'->'variables')
        WHERE {column}->'template' ? 'id'
    """  # noqa: S608 (our own names)


def _rename_events(types: dict[str, str], old_field: str, new_field: str) -> None:
    listed = ", ".join(f"('{old}', '{new}')" for old, new in types.items())
    op.execute(f"""
        UPDATE {SCHEMA}.events e SET type = r.new
        FROM (VALUES {listed}) AS r (old, new) WHERE e.type = r.old
    """)  # noqa: S608 (our own names)
    op.execute(f"""
        UPDATE {SCHEMA}.events
        SET data = data - '{old_field}' || jsonb_build_object('{new_field}', data->'{old_field}')
        WHERE data ? '{old_field}'
    """)  # noqa: S608 (our own names)


def _index_oldest_part() -> None:
    """Create the index of the first partition, `events_old`, under its former name; the index of
    the whole table then adopts it."""
    op.execute(f"""
        DO $$ BEGIN
            IF to_regclass('{SCHEMA}.events_old') IS NOT NULL THEN
                CREATE INDEX ix_events_old_message_id ON {SCHEMA}.events_old
                    (tenant_id, message_id, id) WHERE message_id IS NOT NULL;
            END IF;
        END $$
    """)
