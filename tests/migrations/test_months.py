"""Monthly tables: created ahead, removed when they are old, and inserts never fail."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, pool, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from app import db
from app.cli.database import find_defects
from app.common.ids import id_at, id_floor, new_id
from app.common.retention import month_floor
from app.config import Settings
from app.db import normalise_url
from app.models import Event
from app.tasks import clean_up
from tests.factories import create_tenant, save
from tests.migrations.conftest import url_as_superuser

FAR_IDS = (UUID(int=0), UUID(int=2**128 - 1), id_at(datetime(2001, 1, 1, tzinfo=UTC)))
MONTHS = text("select name, low, high from recado.months(cast(:table as regclass)) order by high")
KEEP = text("select recado.keep_months(:table, :ahead, :kept)")
BEFORE, MONTHLY = "0008", "0009"


def names(connection: Connection, table: str = "events") -> list[str]:
    rows = connection.execute(MONTHS, {"table": f"recado.{table}"})
    return [row.name for row in rows if row.high is not None]


def month(ahead: int, table: str = "events") -> str:
    now = datetime.now(UTC)
    place = now.year * 12 + now.month - 1 + ahead
    return f"{table}_y{place // 12}m{place % 12 + 1:02}"


def keep(connection: Connection, ahead: int = 3, kept: timedelta | None = None) -> list[str]:
    given = {"table": "events", "ahead": ahead, "kept": kept}
    done: list[str] = connection.scalar(KEEP, given)
    return done


def make_old_month(connection: Connection, months_ago: int) -> str:
    """Create the partition of a past month, in place of `events_old`; return its name."""
    connection.execute(text("drop table if exists recado.events_old"))
    name = month(-months_ago)
    start = text("select date_trunc('month', now()) - make_interval(months => :ago)")
    low, high = (
        id_floor(connection.scalar(start, {"ago": ago})) for ago in (months_ago, months_ago - 1)
    )
    connection.exec_driver_sql(
        f"set local role recado_owner; create table recado.{name} partition of recado.events"
        f" for values from ('{low}') to ('{high}'); reset role"
    )
    return name


def test_rows_survive_the_way_to_months_and_back(migrations: Config, login: Connection) -> None:
    command.upgrade(migrations, BEFORE)
    tenant_id = new_id()
    login.execute(
        text(
            "insert into recado.tenants (tenant_id, name, status, timezone, language, data_key)"
            " values (:id, '', 'active', 'UTC', 'es', '')"
        ),
        {"id": tenant_id},
    )
    ids = {new_id(), *FAR_IDS, id_at(datetime.now(UTC) + timedelta(days=200))}
    for event_id in ids:
        login.execute(
            text(
                "insert into recado.events (tenant_id, id, type, data) values (:t, :id, 'a', '1')"
            ),
            {"t": tenant_id, "id": event_id},
        )
    rows = text("select * from recado.events order by id")
    before = login.execute(rows).all()
    assert {row.id for row in before} == ids
    command.upgrade(migrations, MONTHLY)
    assert login.execute(rows).all() == before
    command.downgrade(migrations, BEFORE)
    assert login.execute(rows).all() == before
    command.upgrade(migrations, MONTHLY)
    assert login.execute(rows).all() == before


def test_the_migration_makes_the_months_ahead(catalogue: Connection) -> None:
    for table in ("events", "audit_entries"):
        ahead = [month(number, table) for number in (1, 2, 3)]
        assert names(catalogue, table) == [f"{table}_old", *ahead]


def test_months_are_made_ahead_once(catalogue: Connection) -> None:
    assert keep(catalogue, ahead=5) == [f"made {month(4)}", f"made {month(5)}"]
    assert keep(catalogue, ahead=5) == []
    assert names(catalogue)[-1] == month(5)
    assert find_defects(catalogue) == []


def test_a_month_goes_when_all_of_it_is_old_enough(catalogue: Connection) -> None:
    old = make_old_month(catalogue, 3)
    assert keep(catalogue, kept=timedelta(days=32 * 4)) == [f"made {month(0)}"]
    assert keep(catalogue, kept=None) == []
    assert old in names(catalogue)
    assert keep(catalogue, kept=timedelta(days=60 - 31)) == [f"removed {old}"]
    assert old not in names(catalogue)


def test_what_existed_before_goes_when_all_of_it_is_old(catalogue: Connection) -> None:
    catalogue.exec_driver_sql(
        "set local role recado_owner; alter table recado.events detach partition recado.events_old;"
        "truncate recado.events_old;"
        "alter table recado.events attach partition recado.events_old"
        f" for values from (minvalue) to ('{id_at(datetime(2020, 1, 1, tzinfo=UTC))}'); reset role"
    )
    assert keep(catalogue, kept=timedelta(days=1)) == [
        f"made {month(0)}",
        "removed events_old",
    ]


def test_no_id_is_refused_and_a_month_that_has_rows_elsewhere_is_left_alone(
    catalogue: Connection,
) -> None:
    tenant_id = catalogue.scalar(
        text(
            "insert into recado.tenants (tenant_id, name, status, timezone, language, data_key)"
            " values (gen_random_uuid(), '', 'active', 'UTC', 'es', '') returning tenant_id"
        )
    )
    insert = text(
        "insert into recado.events (tenant_id, id, type, data) values (:t, :id, 'a', '{}')"
    )
    early = text("select date_trunc('month', now()) + interval '4 months 1 hour'")
    skewed = id_at(catalogue.scalar(early))
    for event_id in (*FAR_IDS, skewed):
        catalogue.execute(insert, {"t": tenant_id, "id": event_id})
    (failed,) = keep(catalogue, ahead=4)
    assert failed.startswith(f"failed {month(4)}: ")
    catalogue.execute(insert, {"t": tenant_id, "id": id_at(catalogue.scalar(early))})
    assert keep(catalogue, ahead=5)[1:] == [f"made {month(5)}"]


@pytest.mark.parametrize(
    ("table", "ahead", "kept"),
    [("messages", 3, None), ("events", 13, None), ("events", 3, timedelta(hours=23))],
)
def test_nothing_else_can_be_asked_for(
    table: str, ahead: int, kept: timedelta | None, app: object
) -> None:
    given = {"table": table, "ahead": ahead, "kept": kept}
    with pytest.raises(DBAPIError, match="not allowed"), db.system_session() as session:
        session.execute(KEEP, given)


def test_only_the_system_role_may_ask(app: object) -> None:
    given = {"table": "events", "ahead": 3, "kept": None}
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        db.tenant_session(create_tenant().id) as session,
    ):
        session.execute(KEEP, given)


def test_a_table_in_use_is_not_waited_for_long(settings: Settings, app: object) -> None:
    """keep_months must stop waiting for a lock soon, because inserts wait behind it."""
    tenant_id = create_tenant().id
    engine = create_engine(
        normalise_url(url_as_superuser(settings.database_url)), poolclass=pool.NullPool
    )
    with engine.connect() as holder, engine.connect() as maker, maker.begin() as undone:
        holder.execute(text("select count(*) from recado.events"))
        started = datetime.now(UTC)
        done = keep(maker, ahead=5)
        assert [line.partition(":")[0] for line in done] == [
            f"failed {month(4)}",
            f"failed {month(5)}",
        ]
        assert datetime.now(UTC) - started < timedelta(seconds=5)
        save(tenant_id, Event(type="a", data={}))
        holder.rollback()
        assert keep(maker, ahead=5) == [f"made {month(4)}", f"made {month(5)}"]
        undone.rollback()


def test_the_task_keeps_the_months_of_both_tables(
    settings: Settings, app: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_up, "MONTHS_AHEAD", 4)
    clean_up.keep_months()
    engine = create_engine(
        normalise_url(url_as_superuser(settings.database_url)), poolclass=pool.NullPool
    )
    with engine.connect() as connection, connection.begin():
        for table in ("events", "audit_entries"):
            assert names(connection, table)[-1] == month(4, table)
            connection.execute(text(f"drop table recado.{month(4, table)}"))


def test_kept_for_ever_has_no_floor() -> None:
    assert month_floor(0) is None
    floor = month_floor(90)
    assert floor is not None
    assert floor <= id_floor(datetime.now(UTC) - timedelta(days=90))
