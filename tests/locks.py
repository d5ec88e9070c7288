"""Waiting for locks in the database of this test worker."""

from sqlalchemy import text

from app import db
from tests.simulator.harness import wait_until

WAITING = text(
    "select count(distinct pid) from pg_locks where not granted and pid in"
    " (select pid from pg_stat_activity where datname = current_database())"
)


def until_waiting(transactions: int = 1) -> None:
    """Return once so many transactions of this database wait for a lock."""

    def enough() -> bool:
        with db.anonymous_session() as session:
            return bool(session.scalar(WAITING) == transactions)

    wait_until(enough)
