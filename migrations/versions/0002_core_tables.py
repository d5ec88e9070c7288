"""The core tables, each protected by row-level security from the start."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import RESOLVER, SYSTEM, as_owner, protect, resolver_function, show_columns

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = (
    "tenants",
    "api_keys",
    "audit_entries",
    "channels",
    "contacts",
    "events",
    "idempotency_keys",
    "keyword_replies",
    "users",
    "contact_aliases",
    "conversations",
    "inbox_items",
    "user_sessions",
    "messages",
    "refresh_tokens",
    "attempts",
)
"""In the order of their references: a table comes after those that it refers to."""

HEADERS = {
    "messages": ("tenant_id", "channel_id", "status", "due_at", "retry_at", "lease_until"),
    "inbox_items": ("tenant_id", "state", "due_at"),
}
"""Columns that the scheduler reads for all tenants: who has due work, and since when."""

LOOKED_UP = {
    "tenants": ("tenant_id", "status", "created_at"),
    "users": ("tenant_id", "id", "username", "role", "status"),
    "api_keys": ("tenant_id", "id", "prefix"),
    "channels": ("tenant_id", "id", "key", "account", "phone_number", "status", "created_at"),
}
"""Columns that the resolver's functions read before a tenant is known."""

FUNCTIONS = {
    "resolve_username(given text)": (
        "TABLE (tenant_id uuid, user_id uuid)",
        "SELECT u.tenant_id, u.id FROM recado.users u WHERE lower(u.username) = lower(given)",
    ),
    "resolve_api_key(given text)": (
        "TABLE (tenant_id uuid, api_key_id uuid)",
        "SELECT k.tenant_id, k.id FROM recado.api_keys k WHERE k.prefix = given",
    ),
    "resolve_channel_key(given text)": (
        "TABLE (tenant_id uuid, channel_id uuid)",
        "SELECT c.tenant_id, c.id FROM recado.channels c WHERE c.key = given",
    ),
    "resolve_sender(given_account text, given_phone_number text)": (
        "TABLE (tenant_id uuid, channel_id uuid)",
        "SELECT c.tenant_id, c.id FROM recado.channels c WHERE c.account = given_account"
        " AND c.phone_number = given_phone_number ORDER BY c.created_at LIMIT 20",
    ),
    "list_tenants(asking uuid, after_id uuid, at_most integer)": (
        "SETOF uuid",
        "SELECT t.tenant_id FROM recado.tenants t"
        " WHERE (after_id IS NULL OR t.tenant_id < after_id)"
        " AND EXISTS (SELECT 1 FROM recado.users u WHERE u.id = asking"
        " AND u.role = 'platform_admin' AND u.status = 'active')"
        " ORDER BY t.tenant_id DESC LIMIT at_most",
    ),
}


@as_owner
def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("daily_message_quota", sa.Integer(), nullable=True),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("status IN ('active', 'closed')", name=op.f("ck_tenants_status")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenants")),
        schema="recado",
    )
    op.create_table(
        "api_keys",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("mode IN ('live', 'test')", name=op.f("ck_api_keys_mode")),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_api_keys_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_api_keys")),
        schema="recado",
    )
    op.create_index("uq_api_keys_prefix", "api_keys", ["prefix"], unique=True, schema="recado")
    op.create_table(
        "audit_entries",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("actor_type", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject_type", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_audit_entries_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_entries")),
        schema="recado",
    )
    op.create_table(
        "channels",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("phone_number", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("credentials", sa.LargeBinary(), nullable=False),
        sa.Column("credential_hints", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("messages_per_second", sa.Integer(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verification", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("provider IN ('twilio', 'meta')", name=op.f("ck_channels_provider")),
        sa.CheckConstraint("status IN ('active', 'disabled')", name=op.f("ck_channels_status")),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_channels_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_channels")),
        sa.UniqueConstraint(
            "tenant_id",
            "provider",
            "account",
            "phone_number",
            name=op.f("uq_channels_tenant_id_provider_account_phone_number"),
        ),
        schema="recado",
    )
    op.create_index(
        "ix_channels_account_phone_number",
        "channels",
        ["account", "phone_number"],
        unique=False,
        schema="recado",
    )
    op.create_index("uq_channels_key", "channels", ["key"], unique=True, schema="recado")
    op.create_table(
        "contacts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("profile_name", sa.Text(), nullable=False),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_contacts_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_contacts")),
        schema="recado",
    )
    op.create_table(
        "events",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_events_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_events")),
        schema="recado",
    )
    op.create_index(
        "ix_events_message_id",
        "events",
        ["tenant_id", "message_id", "id"],
        unique=False,
        schema="recado",
        postgresql_where=sa.text("message_id is not null"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_idempotency_keys_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_idempotency_keys")),
        schema="recado",
    )
    op.create_index(
        "ix_idempotency_keys_expires_at",
        "idempotency_keys",
        ["tenant_id", "expires_at"],
        unique=False,
        schema="recado",
    )
    op.create_index(
        "uq_idempotency_keys_key",
        "idempotency_keys",
        ["tenant_id", "key"],
        unique=True,
        schema="recado",
    )
    op.create_table(
        "keyword_replies",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("keywords", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_keyword_replies_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_keyword_replies")),
        schema="recado",
    )
    op.create_table(
        "users",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "role IN ('platform_admin', 'owner', 'admin', 'agent', 'viewer')",
            name=op.f("ck_users_role"),
        ),
        sa.CheckConstraint("status IN ('active', 'disabled')", name=op.f("ck_users_status")),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_users_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_users")),
        schema="recado",
    )
    op.create_index(
        "uq_users_username",
        "users",
        [sa.literal_column("lower(username)")],
        unique=True,
        schema="recado",
    )
    op.create_table(
        "contact_aliases",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("kind IN ('phone', 'user_id')", name=op.f("ck_contact_aliases_kind")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "contact_id"],
            ["recado.contacts.tenant_id", "recado.contacts.id"],
            name=op.f("fk_contact_aliases_tenant_id_contact_id_contacts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_contact_aliases_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_contact_aliases")),
        sa.UniqueConstraint(
            "tenant_id", "kind", "value", name=op.f("uq_contact_aliases_tenant_id_kind_value")
        ),
        schema="recado",
    )
    op.create_index(
        "ix_contact_aliases_contact_id",
        "contact_aliases",
        ["tenant_id", "contact_id"],
        unique=False,
        schema="recado",
    )
    op.create_table(
        "conversations",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.Column(
            "last_message_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("last_inbound_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window_closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "owner IN ('bot', 'human', 'nobody')", name=op.f("ck_conversations_owner")
        ),
        sa.CheckConstraint(
            "status IN ('active', 'closed', 'archived')", name=op.f("ck_conversations_status")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"],
            ["recado.channels.tenant_id", "recado.channels.id"],
            name=op.f("fk_conversations_tenant_id_channel_id_channels"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "contact_id"],
            ["recado.contacts.tenant_id", "recado.contacts.id"],
            name=op.f("fk_conversations_tenant_id_contact_id_contacts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_conversations_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_conversations")),
        sa.UniqueConstraint(
            "tenant_id",
            "channel_id",
            "contact_id",
            name=op.f("uq_conversations_tenant_id_channel_id_contact_id"),
        ),
        schema="recado",
    )
    op.create_index(
        "ix_conversations_contact_id",
        "conversations",
        ["tenant_id", "contact_id"],
        unique=False,
        schema="recado",
    )
    op.create_index(
        "ix_conversations_last_message_at",
        "conversations",
        ["tenant_id", "last_message_at", "id"],
        unique=False,
        schema="recado",
    )
    op.create_table(
        "inbox_items",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("event_key", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state IN ('received', 'applied', 'ignored', 'parked')",
            name=op.f("ck_inbox_items_state"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"],
            ["recado.channels.tenant_id", "recado.channels.id"],
            name=op.f("fk_inbox_items_tenant_id_channel_id_channels"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_inbox_items_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_inbox_items")),
        sa.UniqueConstraint(
            "tenant_id",
            "channel_id",
            "event_key",
            name=op.f("uq_inbox_items_tenant_id_channel_id_event_key"),
        ),
        schema="recado",
    )
    op.create_index(
        "ix_inbox_items_due_at",
        "inbox_items",
        ["due_at", "tenant_id"],
        unique=False,
        schema="recado",
        postgresql_where=sa.text("state = 'received'"),
    )
    op.create_table(
        "user_sessions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_reason", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["recado.users.tenant_id", "recado.users.id"],
            name=op.f("fk_user_sessions_tenant_id_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_user_sessions_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_user_sessions")),
        schema="recado",
    )
    op.create_index(
        "ix_user_sessions_user_id",
        "user_sessions",
        ["tenant_id", "user_id"],
        unique=False,
        schema="recado",
    )
    op.create_table(
        "messages",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("from_number", sa.Text(), nullable=False),
        sa.Column("to_number", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("fallback", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settle_reads", sa.Integer(), nullable=False),
        sa.Column("provider_message_id", sa.Text(), nullable=True),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "direction IN ('incoming', 'outgoing')", name=op.f("ck_messages_direction")
        ),
        sa.CheckConstraint(
            "policy IN ('default', 'at_most_once')", name=op.f("ck_messages_policy")
        ),
        sa.CheckConstraint(
            "sender IN ('contact', 'bot', 'user', 'api')", name=op.f("ck_messages_sender")
        ),
        sa.CheckConstraint(
            "status IN ('received', 'queued', 'sending', 'uncertain', 'accepted', 'sent',"
            " 'failed', 'delivered', 'read', 'unknown', 'canceled')",
            name=op.f("ck_messages_status"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"],
            ["recado.channels.tenant_id", "recado.channels.id"],
            name=op.f("fk_messages_tenant_id_channel_id_channels"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "contact_id"],
            ["recado.contacts.tenant_id", "recado.contacts.id"],
            name=op.f("fk_messages_tenant_id_contact_id_contacts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            ["recado.conversations.tenant_id", "recado.conversations.id"],
            name=op.f("fk_messages_tenant_id_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_messages_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_messages")),
        schema="recado",
    )
    op.create_index(
        "ix_messages_conversation_id_id",
        "messages",
        ["tenant_id", "conversation_id", "id"],
        unique=False,
        schema="recado",
    )
    op.create_index(
        "ix_messages_due",
        "messages",
        ["tenant_id", "channel_id", "priority", "due_at", "id"],
        unique=False,
        schema="recado",
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "ix_messages_due_at",
        "messages",
        ["due_at", "tenant_id", "channel_id"],
        unique=False,
        schema="recado",
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "ix_messages_lease_until",
        "messages",
        ["lease_until", "tenant_id", "channel_id"],
        unique=False,
        schema="recado",
        postgresql_where=sa.text("status in ('sending', 'uncertain')"),
    )
    op.create_index(
        "ix_messages_waiting",
        "messages",
        ["tenant_id", "conversation_id"],
        unique=False,
        schema="recado",
        postgresql_where=sa.text("status in ('queued', 'sending', 'uncertain')"),
    )
    op.create_index(
        "uq_messages_in_flight",
        "messages",
        ["tenant_id", "conversation_id"],
        unique=True,
        schema="recado",
        postgresql_where=sa.text("status in ('sending', 'uncertain')"),
    )
    op.create_index(
        "uq_messages_provider_message_id",
        "messages",
        ["tenant_id", "channel_id", "provider_message_id"],
        unique=True,
        schema="recado",
        postgresql_where=sa.text("provider_message_id is not null"),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("successor_id", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "session_id"],
            ["recado.user_sessions.tenant_id", "recado.user_sessions.id"],
            name=op.f("fk_refresh_tokens_tenant_id_session_id_user_sessions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_refresh_tokens_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_refresh_tokens")),
        schema="recado",
    )
    op.create_index(
        "ix_refresh_tokens_session_id",
        "refresh_tokens",
        ["tenant_id", "session_id"],
        unique=False,
        schema="recado",
    )
    op.create_table(
        "attempts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider_message_id", sa.Text(), nullable=True),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "outcome IN ('started', 'accepted', 'refused', 'retry', 'uncertain')",
            name=op.f("ck_attempts_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "message_id"],
            ["recado.messages.tenant_id", "recado.messages.id"],
            name=op.f("fk_attempts_tenant_id_message_id_messages"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_attempts_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_attempts")),
        sa.UniqueConstraint(
            "tenant_id",
            "message_id",
            "number",
            name=op.f("uq_attempts_tenant_id_message_id_number"),
        ),
        schema="recado",
    )
    for table in TABLES:
        protect(table)
    for table, columns in HEADERS.items():
        show_columns(table, SYSTEM, columns)
    for table, columns in LOOKED_UP.items():
        show_columns(table, RESOLVER, columns)
    for signature, (returns, body) in FUNCTIONS.items():
        resolver_function(signature, returns, body)


@as_owner
def downgrade() -> None:
    op.execute("RESET ROLE; SET ROLE recado_resolver")
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION recado.{signature.partition('(')[0]}")
    op.execute("RESET ROLE; SET ROLE recado_owner")
    for table in reversed(TABLES):
        op.drop_table(table, schema="recado")
