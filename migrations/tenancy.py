"""Tenant isolation, as migrations create it: roles, the tenant policy, grants."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps

from alembic import op

SCHEMA = "recado"
OWNER = "recado_owner"
APP = "recado_app"
SYSTEM = "recado_system"
RESOLVER = "recado_resolver"
ROLES = (OWNER, APP, SYSTEM, RESOLVER)

PINNED = "tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)"
"""`nullif`, because the setting is '' on a pooled connection that was used before. The sub-select
is evaluated once per statement instead of once per row."""


IN_MODE = (
    "((SELECT coalesce(current_setting('app.mode', true), '') = '')"
    " OR is_test = (SELECT current_setting('app.mode', true) = 'test'))"
)
"""A transaction of the mode `live` or `test` sees and writes only rows of that kind; one without a
mode, a worker's, both."""


def as_owner(step: Callable[[], None]) -> Callable[[], None]:
    """Run a migration's step as recado_owner, so that what it creates belongs to that role.

    The version table belongs to the login, so the role is reset at the end.
    """

    @wraps(step)
    def stepping() -> None:
        op.execute(f"SET ROLE {OWNER}")
        step()
        op.execute("RESET ROLE")

    return stepping


def protect(table: str) -> None:
    """Enable row-level security, even for the owner, and add the tenant policy and app grants."""
    name = f"{SCHEMA}.{table}"
    op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {name} TO {APP} USING ({PINNED}) WITH CHECK ({PINNED})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {APP}")


def part_modes(table: str) -> None:
    """Keep live and test rows apart, by the column `is_test`."""
    op.execute(
        f"CREATE POLICY mode ON {SCHEMA}.{table} AS RESTRICTIVE TO {APP}"
        f" USING ({IN_MODE}) WITH CHECK ({IN_MODE})"
    )


@contextmanager
def rows_of_all_tenants(*tables: str) -> Iterator[None]:
    """Let the owner change all tenants' rows of these tables in the block, for a data migration.

    The tables are locked until the migration's transaction ends, so no other transaction can use
    them without row-level security.
    """
    for table in tables:
        op.execute(f"ALTER TABLE {SCHEMA}.{table} NO FORCE ROW LEVEL SECURITY")
    yield
    for table in tables:
        op.execute(f"ALTER TABLE {SCHEMA}.{table} FORCE ROW LEVEL SECURITY")


def show_columns(table: str, role: str, columns: Sequence[str]) -> None:
    """Let `role` read these columns of all tenants' rows: headers, never content."""
    name = f"{SCHEMA}.{table}"
    op.execute(f"CREATE POLICY {role} ON {name} FOR SELECT TO {role} USING (true)")
    op.execute(f"GRANT SELECT ({', '.join(columns)}) ON {name} TO {role}")


def hide_columns(table: str, role: str, columns: Sequence[str]) -> None:
    """Revoke what show_columns granted."""
    name = f"{SCHEMA}.{table}"
    op.execute(f"DROP POLICY {role} ON {name}")
    listed = ", ".join(columns)
    op.execute(f"REVOKE SELECT ({listed}) ON {name} FROM {role}")  # noqa: S608 (our own names)


def resolver_function(signature: str, returns: str, body: str) -> None:
    """Create a lookup that runs before a tenant is known (SECURITY DEFINER, app role only).

    To create it, recado_resolver needs CREATE on the schema temporarily.
    """
    op.execute(f"GRANT CREATE ON SCHEMA {SCHEMA} TO {RESOLVER}")
    op.execute(f"RESET ROLE; SET ROLE {RESOLVER}")
    op.execute(
        f"CREATE FUNCTION {SCHEMA}.{signature} RETURNS {returns} LANGUAGE sql STABLE "
        f"SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $${body}$$"
    )
    name = f"{SCHEMA}.{signature.partition('(')[0]}"
    op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO {APP}")
    op.execute(f"RESET ROLE; SET ROLE {OWNER}")
    op.execute(f"REVOKE CREATE ON SCHEMA {SCHEMA} FROM {RESOLVER}")
