"""The cost of a query in rows: a plan that misses its index reads them all."""

from collections.abc import Callable

from sqlalchemy import create_engine, pool, text
from sqlalchemy.orm import Session

from app.config import Settings
from app.db import normalise_url
from tests.migrations.conftest import url_as_superuser


def as_if_large(session: Session) -> None:
    """Make the planner treat the tables as large ones. A table of a few pages is cheaper to read
    completely and to sort than to read in the order of an index."""
    for way in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
        session.execute(text(f"set local {way} = off"))


READ = text("""
    select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
    from pg_stat_xact_all_tables where relid = cast(:table as regclass)
""")


def rows_read(session: Session, table: str, work: Callable[[], object]) -> int:
    """Return how many rows of a table this work reads."""
    given = {"table": f"recado.{table}"}
    before: int = session.scalar(READ, given)
    work()
    after: int = session.scalar(READ, given)
    return after - before


def analyze(settings: Settings) -> None:
    """Do what autovacuum would do sooner or later."""
    engine = create_engine(
        normalise_url(url_as_superuser(settings.database_url)),
        poolclass=pool.NullPool,
        isolation_level="AUTOCOMMIT",
    )
    with engine.connect() as connection:
        connection.execute(text("analyze"))
