"""Checks a folder of migrations: their numbers, and that each can be reverted."""

import re
from collections.abc import Iterator
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.py")

SHAPE = text(
    """
    select 'column', format('%I.%I', c.relname, a.attname), concat_ws(' ',
        format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' end,
        pg_get_expr(d.adbin, d.adrelid), a.attacl::text)
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = to_regnamespace('recado')
    union all
    select 'relation', c.relname, concat_ws(' ', c.relkind, c.relowner::regrole, c.relacl::text,
        c.relrowsecurity, c.relforcerowsecurity, c.reloptions::text)
    from pg_class c where c.relnamespace = to_regnamespace('recado')
    union all
    select 'constraint', conname, pg_get_constraintdef(oid)
    from pg_constraint where connamespace = to_regnamespace('recado')
    union all
    select 'index', c.relname, pg_get_indexdef(c.oid)
    from pg_class c where c.relnamespace = to_regnamespace('recado') and c.relkind = 'i'
    union all
    select 'policy', p.polname || ' ' || c.relname, concat_ws(' ', p.polcmd, p.polroles::text,
        pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid))
    from pg_policy p join pg_class c on c.oid = p.polrelid
    union all
    select 'function', p.oid::regprocedure::text, concat_ws(' ', pg_get_functiondef(p.oid),
        p.proowner::regrole, p.proacl::text)
    from pg_proc p where p.pronamespace = to_regnamespace('recado')
    union all
    select 'type', typname, typtype::text
    from pg_type where typnamespace = to_regnamespace('recado') and typtype <> 'c'
    union all
    select 'schema', nspname, concat_ws(' ', nspowner::regrole, nspacl::text)
    from pg_namespace where nspname = 'recado'
    """
)


def shape(connection: Connection) -> frozenset[tuple[Any, ...]]:
    """Return everything in our schema, with definition, owner and grants."""
    connection.rollback()
    found = frozenset(tuple(row) for row in connection.execute(SHAPE))
    connection.rollback()
    return found


def misnumbered(config: Config) -> list[str]:
    """Return the files whose name, revision or predecessor breaks the sequence 0001, 0002, …"""
    scripts = ScriptDirectory.from_config(config)
    found = [f"{head} is one of several heads" for head in scripts.get_heads()[1:]]
    revisions = sorted(scripts.walk_revisions(), key=lambda each: each.revision)
    for number, each in enumerate(revisions, start=1):
        name = each.path.rpartition("/")[2]
        matched = FILE_NAME.fullmatch(name)
        if matched is None or matched[1] != each.revision or each.revision != f"{number:04}":
            found.append(f"{name} holds revision {each.revision} as number {number}")
        expected = f"{number - 1:04}" if number > 1 else None
        if each.down_revision != expected:
            found.append(f"{name} follows {each.down_revision}, not {expected}")
    return found


def irreversible(config: Config, connection: Connection) -> Iterator[str]:
    """Run each migration up, down and up again; yield the first difference, and stop there.

    Starts on an empty database and leaves it at the newest revision.
    """
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    for each in reversed(list(scripts.walk_revisions())):
        before = shape(connection)
        command.upgrade(config, each.revision)
        after = shape(connection)
        command.downgrade(config, "-1")
        if left := shape(connection) ^ before:
            yield f"{each.revision} leaves behind {sorted(row[:2] for row in left)}"
            return
        command.upgrade(config, each.revision)
        if changed := shape(connection) ^ after:
            yield f"{each.revision} differs the second time {sorted(row[:2] for row in changed)}"
            return
