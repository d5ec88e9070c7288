"""Gaps in tenant isolation, one of each kind that the gate must report."""

from typing import NamedTuple


class Planted(NamedTuple):
    """Statements that create one defect, and the exact rows that must report it."""

    name: str
    statements: str
    reported: tuple[str, ...]


GOOD_TABLE = """
set local role recado_owner;
create table recado.planted (
    tenant_id uuid not null references recado.tenants, id uuid not null, word text,
    primary key (tenant_id, id)
);
alter table recado.planted enable row level security;
alter table recado.planted force row level security;
create policy tenant on recado.planted to recado_app
    using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))
    with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
reset role;
"""

MESSAGES = "recado.messages"
NO_POLICY = "has not exactly one tenant policy"
STRANGE_POLICY = "is neither the tenant policy, nor that of modes, nor a declared view of headers"

PLANTED = (
    Planted(
        "tenant_id may be null",
        "alter table recado.keyword_replies drop constraint pk_keyword_replies;"
        "alter table recado.keyword_replies alter tenant_id drop not null;",
        (
            "table: recado.keyword_replies has no column tenant_id of type uuid that is NOT NULL",
            "table: recado.keyword_replies has no primary key",
        ),
    ),
    Planted(
        "a table without a tenant",
        "set local role recado_owner; create table recado.planted (id uuid primary key);"
        "alter table recado.planted enable row level security, force row level security;"
        "reset role",
        (
            (
                "key: recado.planted.planted_pkey is unique across tenants: its first column is "
                "not tenant_id"
            ),
            f"policy: recado.planted {NO_POLICY}",
            "table: recado.planted has no column tenant_id of type uuid that is NOT NULL",
        ),
    ),
    Planted(
        "row-level security off",
        "alter table recado.messages disable row level security",
        (f"table: {MESSAGES} row-level security is not enabled",),
    ),
    Planted(
        "row-level security not forced",
        "alter table recado.messages no force row level security",
        (f"table: {MESSAGES} row-level security is not forced upon its owner",),
    ),
    Planted(
        "another owner",
        "alter table recado.messages owner to current_user",
        (f"owner: {MESSAGES} is not owned by recado_owner",),
    ),
    Planted(
        "another owner of the schema",
        "alter schema recado owner to current_user; grant usage on schema recado to recado_owner",
        ("owner: schema recado is not owned by recado_owner",),
    ),
    Planted(
        "a unique index across tenants",
        "create unique index planted on recado.messages (id)",
        ((f"key: {MESSAGES}.planted is unique across tenants: its first column is not tenant_id"),),
    ),
    Planted(
        "a unique constraint that ends with the tenant",
        "alter table recado.contacts add constraint planted unique (id, tenant_id)",
        (
            (
                "key: recado.contacts.planted is unique across tenants: its first column is not "
                "tenant_id"
            ),
        ),
    ),
    Planted(
        "a foreign key without the tenant",
        f"{GOOD_TABLE} alter table recado.planted"
        " add constraint planted foreign key (id) references recado.tenants (tenant_id)",
        (
            (
                "foreign key: recado.planted.planted does not lead from tenant_id to the "
                "tenant_id of a table of ours"
            ),
        ),
    ),
    Planted(
        "a foreign key from elsewhere",
        "create table public.orders (tenant_id uuid references recado.tenants)",
        (
            (
                "foreign key: orders.orders_tenant_id_fkey refers to a table of ours from "
                "another schema"
            ),
        ),
    ),
    Planted(
        "no policy",
        "drop policy tenant on recado.messages",
        (f"policy: {MESSAGES} {NO_POLICY}",),
    ),
    *(
        Planted(
            f"a policy {how}",
            f"alter policy tenant on recado.messages {change}",
            (f"policy: {MESSAGES} {NO_POLICY}", f"policy: {MESSAGES}.tenant {STRANGE_POLICY}"),
        )
        for how, change in (
            ("that lets writes through", "with check (true)"),
            ("that lets reads through", "using (true)"),
            ("for everybody", "to public"),
            (
                "that compares text, which is slow",
                "using (tenant_id::text = current_setting('app.tenant_id', true))",
            ),
        )
    ),
    Planted(
        "a second policy beside the one",
        "create policy planted on recado.messages to recado_app using (true)",
        (f"policy: {MESSAGES}.planted {STRANGE_POLICY}",),
    ),
    Planted(
        "headers of a table that has none declared",
        "create policy recado_system on recado.contacts for select to recado_system using (true);"
        "grant select (name) on recado.contacts to recado_system",
        (
            "grant: recado.contacts.name recado_system may SELECT",
            f"policy: recado.contacts.recado_system {STRANGE_POLICY}",
        ),
    ),
    Planted(
        "headers that may be changed",
        "drop policy recado_system on recado.messages; create policy recado_system"
        " on recado.messages to recado_system using (true)",
        (f"policy: {MESSAGES}.recado_system {STRANGE_POLICY}",),
    ),
    Planted(
        "the system role reads a table",
        "grant select on recado.messages to recado_system",
        (f"grant: {MESSAGES} recado_system may SELECT",),
    ),
    Planted(
        "the system role reads content",
        "grant select (body) on recado.messages to recado_system",
        (f"grant: {MESSAGES}.body recado_system may SELECT",),
    ),
    Planted(
        "the resolver reads a password hash",
        "grant select (password_hash) on recado.users to recado_resolver",
        ("grant: recado.users.password_hash recado_resolver may SELECT",),
    ),
    Planted(
        "the resolver writes",
        "grant insert on recado.users to recado_resolver",
        ("grant: recado.users recado_resolver may INSERT",),
    ),
    Planted(
        "the public reads",
        "grant select on recado.messages to public",
        (f"grant: {MESSAGES} PUBLIC may SELECT",),
    ),
    Planted(
        "Supabase's public API reads",
        "create role anon; create role authenticated; grant select on recado.messages to anon;"
        "grant usage on schema recado to authenticated",
        (
            f"grant: {MESSAGES} anon may SELECT",
            "grant: schema recado authenticated may USAGE",
        ),
    ),
    Planted(
        "the app empties tables past the policies",
        "grant truncate on recado.messages to recado_app",
        (f"grant: {MESSAGES} recado_app may TRUNCATE",),
    ),
    Planted(
        "the app hands on what it may",
        "grant select on recado.messages to recado_app with grant option",
        (f"grant: {MESSAGES} recado_app may SELECT and hand it on",),
    ),
    Planted(
        "the app makes things in the schema",
        "grant create on schema recado to recado_app",
        ("grant: schema recado recado_app may CREATE",),
    ),
    Planted(
        "future tables are open",
        "alter default privileges for role recado_owner in schema recado"
        " grant select on tables to recado_system",
        ("grant: default privileges of recado_owner recado_system may SELECT",),
    ),
    Planted(
        "a view with its owner's eyes",
        "create view recado.planted as select tenant_id, body from recado.messages;"
        "alter view recado.planted owner to recado_owner",
        ("view: recado.planted is not security_invoker, so it sees what its owner sees",),
    ),
    Planted(
        "a view with the reader's eyes is fine",
        "create view recado.planted with (security_invoker = on)"
        " as select tenant_id, body from recado.messages;"
        "alter view recado.planted owner to recado_owner",
        (),
    ),
    Planted(
        "a materialized view",
        "create materialized view recado.planted as select tenant_id from recado.messages;"
        "alter materialized view recado.planted owner to recado_owner",
        (
            (
                "relation: recado.planted is a materialized view, which row-level security does "
                "not cover"
            ),
        ),
    ),
    Planted(
        "a sequence",
        "create sequence recado.planted; alter sequence recado.planted owner to recado_owner",
        (
            (
                "relation: recado.planted is a sequence, which tells one tenant how busy the "
                "others are"
            ),
        ),
    ),
    Planted(
        "a definer function that nobody declared",
        "create function recado.planted() returns bigint language sql security definer"
        " set search_path = pg_catalog, pg_temp as 'select count(*) from recado.messages';"
        "revoke all on function recado.planted from public;"
        "grant create on schema recado to recado_resolver;"
        "alter function recado.planted owner to recado_resolver;"
        "revoke create on schema recado from recado_resolver",
        ("function: recado.planted() is SECURITY DEFINER and not declared in the gate",),
    ),
    Planted(
        "a definer function of the superuser",
        "alter function recado.resolve_username owner to current_user",
        (
            (
                "function: recado.resolve_username(text) is SECURITY DEFINER and not owned by "
                "recado_resolver"
            ),
        ),
    ),
    *(
        Planted(
            f"a definer function that would {how}",
            f"alter function recado.resolve_username {change}",
            (
                "function: recado.resolve_username(text) is SECURITY DEFINER without a pinned "
                "search_path",
            ),
        )
        for how, change in (
            ("take its caller's search_path", "reset search_path"),
            ("look into public first", "set search_path = public, pg_catalog"),
        )
    ),
    Planted(
        "a definer function for everybody",
        "grant execute on function recado.resolve_username to public",
        (
            (
                "function: recado.resolve_username(text) is SECURITY DEFINER, and PUBLIC may "
                "execute it"
            ),
        ),
    ),
    Planted(
        "an ordinary function of another owner",
        "create function recado.planted() returns int language sql as 'select 1'",
        ("owner: recado.planted() is not owned by recado_owner",),
    ),
    *(
        Planted(
            f"a role that is {power}",
            f"alter role recado_app {power}",
            (f"role: recado_app is {power}",),
        )
        for power in ("SUPERUSER", "BYPASSRLS", "LOGIN", "CREATEROLE", "CREATEDB", "REPLICATION")
    ),
    Planted(
        "a role that may become another",
        "grant recado_owner to recado_app",
        ("role: recado_app is a member of recado_owner",),
    ),
    Planted(
        "Supabase's public API may become the app",
        "create role authenticated; grant recado_app to authenticated",
        ("role: authenticated is a member of recado_app",),
    ),
    *(
        Planted(
            f"a native enum as {type_}",
            f"{GOOD_TABLE} create type recado.mood as enum ('good', 'bad');"
            f"alter table recado.planted add column mood {type_}",
            (
                "column: recado.planted.mood is a native enum, whose operators are not "
                "leakproof: use text and CHECK",
            ),
        )
        for type_ in ("recado.mood", "recado.mood[]")
    ),
    Planted(
        "an index on jsonb @>",
        "create index planted on recado.contacts using gin (attributes jsonb_path_ops)",
        (
            (
                "index: recado.contacts.planted is skipped under row-level security: operators "
                "of jsonb_path_ops are not leakproof"
            ),
        ),
    ),
    Planted(
        "an index for full-text search",
        "create index planted on recado.messages using gin (to_tsvector('simple', body))",
        (
            (
                f"index: {MESSAGES}.planted is on an expression, and its function may not be "
                "leakproof"
            ),
            (
                f"index: {MESSAGES}.planted is skipped under row-level security: operators of "
                "tsvector_ops are not leakproof"
            ),
        ),
    ),
    Planted(
        "a sorted index on a type that is not leakproof",
        "create index planted on recado.contacts (tenant_id, attributes)",
        (
            (
                "index: recado.contacts.planted is skipped under row-level security: operators "
                "of jsonb_ops are not leakproof"
            ),
        ),
    ),
    Planted(
        "a table of ours in public",
        "create table public.planted (id int); alter table public.planted owner to recado_owner",
        ("schema: planted belongs to us but lies outside our schemas",),
    ),
    Planted(
        "migrations that went to public",
        "create table public.messages (id int); create table public.alembic_version (v text)",
        (
            "schema: alembic_version belongs to us but lies outside our schemas",
            "schema: messages belongs to us but lies outside our schemas",
        ),
    ),
    Planted(
        "a function of ours in public",
        "create function public.planted() returns int language sql as 'select 1';"
        "alter function public.planted owner to recado_owner",
        ("schema: planted() belongs to us but lies outside our schemas",),
    ),
    Planted(
        "a publication",
        "create publication planted for table recado.messages",
        (f"publication: {MESSAGES} is published by planted",),
    ),
    Planted(
        "an exception that outlived its index",
        "drop index recado.uq_channels_key",
        ("exception: uq_channels_key is declared in the gate, but there is no such index",),
    ),
    Planted(
        "an exception that outlived its function",
        "drop function recado.resolve_username",
        (
            (
                "exception: resolve_username(text) is declared in the gate, but there is no "
                "such function"
            ),
        ),
    ),
    Planted(
        "an exception that outlived its grant",
        "revoke select (due_at) on recado.messages from recado_system",
        (("exception: recado_system on messages.due_at is declared in the gate, but not granted"),),
    ),
)
