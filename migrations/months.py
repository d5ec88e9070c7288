"""Monthly tables: range partitions by the id, whose first 48 bits are a time (UUIDv7).

All reads and writes use the table itself. A row whose month has no partition (its id comes from a
wrong clock, or the month was removed) goes to the default partition, so no insert fails for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from alembic import op
from sqlalchemy import text

from migrations.tenancy import APP, PINNED, SCHEMA, SYSTEM, protect, rows_of_all_tenants

LOCK_TIMEOUT = "500ms"
"""Longest wait of keep_months for a lock on a whole table. Inserts queue behind it meanwhile."""


@dataclass(frozen=True)
class Monthly:
    """A table whose only unique key is (tenant_id, id).

    `indexes` maps the names of its other indexes to their definitions, the SQL after `ON table`.
    """

    table: str
    indexes: Mapping[str, str] = field(default_factory=dict)


def id_floor(moment: str) -> str:
    """Return SQL for the smallest id at `moment`, which is an SQL expression too."""
    milliseconds = f"floor(extract(epoch FROM {moment}) * 1000)::bigint"
    return f"(lpad(to_hex({milliseconds}), 12, '0') || repeat('0', 20))::uuid"


NEXT_MONTH = (
    "(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC'"
)

MONTHS = rf"""
CREATE FUNCTION {SCHEMA}.months(parent regclass) RETURNS TABLE (name text, low uuid, high uuid)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.relname,
        substring(pg_get_expr(c.relpartbound, c.oid) FROM 'FROM \(''([0-9a-f-]+)''\)')::uuid,
        substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''([0-9a-f-]+)''\)')::uuid
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = parent
$$
"""  # noqa: S608 (our own names)
"""The partitions of a table. Each holds the ids from `low` (null: no lower bound) up to, but not
including, `high`. Both are null for the default partition."""

QUOTED_PIN = PINNED.replace("'", "''")

KEEP_MONTHS = f"""
CREATE FUNCTION {SCHEMA}.keep_months(given text, ahead integer, kept interval) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET lock_timeout = '{LOCK_TIMEOUT}' SET timezone = 'UTC' AS $$
-- Makes the partitions of this month and of `ahead` months after it, and removes those that ended
-- `kept` or longer ago; null keeps all. Answers a line for each: 'made …', 'removed …', or 'failed
-- …: why'. The next call tries again what failed.
DECLARE
    parent regclass;
    part text;
    begins timestamptz;
    first_id uuid;
    end_id uuid;
    done text[] := ARRAY[]::text[];
BEGIN
    IF given NOT IN ('events', 'audit_entries') OR ahead NOT BETWEEN 0 AND 12
        OR kept < interval '1 day'
    THEN
        RAISE 'keep_months(%, %, %) is not allowed', given, ahead, kept;
    END IF;
    parent := ('{SCHEMA}.' || given)::regclass;

    FOR step IN 0 .. ahead LOOP
        begins := date_trunc('month', now()) + make_interval(months => step);
        first_id := {id_floor("begins")};
        end_id := {id_floor("(begins + interval '1 month')")};
        part := given || to_char(begins, '"_y"YYYY"m"MM');
        CONTINUE WHEN EXISTS (
            SELECT FROM {SCHEMA}.months(parent) m
            WHERE m.high > first_id AND (m.low IS NULL OR m.low < end_id)
        );
        BEGIN
            EXECUTE format('CREATE TABLE {SCHEMA}.%I
                (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
            EXECUTE format('ALTER TABLE {SCHEMA}.%I
                ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', part);
            EXECUTE format('CREATE POLICY tenant ON {SCHEMA}.%I TO {APP}
                USING ({QUOTED_PIN}) WITH CHECK ({QUOTED_PIN})', part);
            EXECUTE format('ALTER TABLE %s ATTACH PARTITION {SCHEMA}.%I
                FOR VALUES FROM (%L) TO (%L)', parent, part, first_id, end_id);
            done := done || ('made ' || part);
        EXCEPTION
            -- check_violation: the default partition has rows of this month, which stay there.
            WHEN lock_not_available OR check_violation THEN
                done := done || format('failed %s: %s', part, SQLERRM);
        END;
    END LOOP;

    FOR part IN
        SELECT m.name FROM {SCHEMA}.months(parent) m
        WHERE m.high <= {id_floor("(now() - kept)")} ORDER BY m.high
    LOOP
        BEGIN
            EXECUTE format('DROP TABLE {SCHEMA}.%I', part);
            done := done || ('removed ' || part);
        EXCEPTION WHEN lock_not_available THEN
            done := done || format('failed %s: %s', part, SQLERRM);
        END;
    END LOOP;
    RETURN done;
END $$
"""  # noqa: S608 (our own names)


def make_monthly(monthly: Monthly) -> None:
    """Convert a plain table to monthly partitions; the existing rows become the first partition.

    That partition, `{table}_old`, ends with this month; rows with a later id move to the default
    partition. Postgres reads all rows once to check this, while the table is locked.
    """
    table, old, rest = monthly.table, f"{monthly.table}_old", f"{monthly.table}_default"
    end = op.get_bind().scalar(text(f"SELECT {id_floor(NEXT_MONTH)}"))
    op.execute(f"ALTER TABLE {SCHEMA}.{table} RENAME TO {old}")
    op.execute(f"ALTER INDEX {SCHEMA}.pk_{table} RENAME TO pk_{old}")
    for name in monthly.indexes:
        op.execute(f"ALTER INDEX {SCHEMA}.{name} RENAME TO {name.replace(table, old)}")
    _make_table(table, old, "PARTITION BY RANGE (id)")
    _add_keys(monthly)
    _make_table(rest, old)
    with rows_of_all_tenants(old, rest):
        _move_rows(old, rest, f"id >= '{end}'")
    op.execute(f"ALTER TABLE {SCHEMA}.{table} ATTACH PARTITION {SCHEMA}.{rest} DEFAULT")
    op.execute(
        f"ALTER TABLE {SCHEMA}.{table} ATTACH PARTITION {SCHEMA}.{old}"
        f" FOR VALUES FROM (MINVALUE) TO ('{end}')"
    )
    for part in (old, rest):
        op.execute(f"REVOKE ALL ON {SCHEMA}.{part} FROM {APP}")


def make_plain(monthly: Monthly) -> None:
    """Convert a monthly table back to a plain one, and copy the rows of all partitions into it."""
    table, months = monthly.table, f"{monthly.table}_months"
    op.execute(f"ALTER TABLE {SCHEMA}.{table} RENAME TO {months}")
    _make_table(table, months)
    with rows_of_all_tenants(table, months):
        op.execute(f"INSERT INTO {SCHEMA}.{table} SELECT * FROM {SCHEMA}.{months}")  # noqa: S608
    op.execute(f"DROP TABLE {SCHEMA}.{months}")
    _add_keys(monthly)


def make_functions() -> None:
    op.execute(MONTHS)
    op.execute(KEEP_MONTHS)
    op.execute(f"REVOKE ALL ON FUNCTION {SCHEMA}.months, {SCHEMA}.keep_months FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SCHEMA}.keep_months TO {SYSTEM}")


def drop_functions() -> None:
    op.execute(f"DROP FUNCTION {SCHEMA}.keep_months, {SCHEMA}.months")


def _make_table(table: str, like: str, how: str = "") -> None:
    op.execute(
        f"CREATE TABLE {SCHEMA}.{table} (LIKE {SCHEMA}.{like} INCLUDING DEFAULTS"
        f" INCLUDING CONSTRAINTS) {how}"
    )
    protect(table)


def _add_keys(monthly: Monthly) -> None:
    table = monthly.table
    op.execute(
        f"ALTER TABLE {SCHEMA}.{table} ADD CONSTRAINT pk_{table} PRIMARY KEY (tenant_id, id),"
        f" ADD CONSTRAINT fk_{table}_tenant_id_tenants FOREIGN KEY (tenant_id)"
        f" REFERENCES {SCHEMA}.tenants (tenant_id) ON DELETE CASCADE"
    )
    for name, index in monthly.indexes.items():
        op.execute(f"CREATE INDEX {name} ON {SCHEMA}.{table} {index}")


def _move_rows(source: str, target: str, condition: str) -> None:
    op.execute(
        f"WITH moved AS (DELETE FROM {SCHEMA}.{source} WHERE {condition} RETURNING *)"  # noqa: S608
        f" INSERT INTO {SCHEMA}.{target} SELECT * FROM moved"
    )
