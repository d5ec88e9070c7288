"""The only module that opens transactions, and that decides which rows a transaction can see.

Each transaction begins with one statement that sets ("pins") its role and its tenant until it ends.
This works behind a transaction pooler, and it takes away the privileges of a login that may bypass
row-level security. A statement in a transaction that is not pinned raises `UnpinnedTransaction`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection, Engine, Row, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from app import db_deadline
from app.config import Settings, SettingsError
from app.db_deadline import DeadlineExceeded

log = structlog.get_logger(__name__)

APP_ROLE = "recado_app"
SYSTEM_ROLE = "recado_system"
POOL_SECONDS = 5
"""How long to wait for a free connection."""

PIN = text(
    "select set_config('role', :role, true), set_config('app.tenant_id', :tenant, true),"
    " set_config('app.mode', :mode, true), set_config('statement_timeout', :timeout, true)"
)


class Mode(StrEnum):
    """Which messages and conversations of the tenant a transaction sees and writes.

    ANY is for the workers, who deliver both.
    """

    ANY = ""
    LIVE = "live"
    TEST = "test"


IN_INDEX_ORDER = "select set_config('enable_sort', 'off', true)"
"""For a query of the first rows in an order that an index has, in a transaction of its own.

The planner expects few rows of a tenant that has just grown. Then it may consider any index as good
as the one with the order, read all rows and sort them.
"""

UNAVAILABLE = (OperationalError, InterfaceError, PoolTimeoutError)
"""Errors that a transaction raises while the database is away, silent or overloaded."""

AfterCommit = Callable[[], None]


class UnpinnedTransaction(Exception):
    """A statement was about to run in a transaction whose role and tenant are not set."""


class Database:
    """The engine of this process. `init` creates it; a forked child discards it."""

    engine: Engine | None = None


def normalise_url(url: str) -> str:
    """Add the driver's name: in SQLAlchemy 2.1 a bare `postgresql://` means psycopg 3."""
    scheme, _, rest = url.partition("://")
    if scheme in {"postgres", "postgresql"}:
        return f"postgresql+psycopg2://{rest}"
    return url


def init(settings: Settings) -> Engine:
    """Create this process's engine. Connections are opened when first used."""
    dispose()
    engine = create_engine(
        normalise_url(settings.database_url),
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        pool_recycle=1800,
        # An error of a statement must not carry a person's words into a log.
        hide_parameters=True,
        connect_args={
            **db_deadline.CONNECT_ARGS,
            "application_name": "recado",
            "keepalives_idle": 30,
            "tcp_user_timeout": 20_000,
        },
    )
    event.listen(engine, "begin", _forget_pin)
    event.listen(engine, "before_cursor_execute", _refuse_unpinned)
    Database.engine = engine
    return engine


def dispose(*, close: bool = True) -> None:
    """Discard the pool. A forked child passes close=False, because the sockets belong to its
    parent."""
    if Database.engine is not None:
        Database.engine.dispose(close=close)


def _forget_pin(connection: Connection) -> None:
    connection.info.pop("pinned", None)


def _refuse_unpinned(
    connection: Connection,
    _cursor: Any,
    statement: str,
    _parameters: Any,
    _context: Any,
    _many: bool,
) -> None:
    if "pinned" not in connection.info and not statement.startswith("select set_config('role'"):
        raise UnpinnedTransaction(statement[:80])


def _pin(session: Session, role: str, tenant: str, mode: Mode) -> None:
    connection = session.connection()
    given = {"role": role, "tenant": tenant, "mode": str(mode), "timeout": _statement_timeout()}
    connection.execute(PIN, given)
    connection.info["pinned"] = role
    connection.info["tenant_id"] = UUID(tenant) if tenant else None


def _statement_timeout() -> str:
    return f"{db_deadline.STATEMENT_SECONDS}s"


def _begin(role: str, tenant: str, mode: Mode) -> Session:
    """Open a pinned transaction.

    If the pooled connection turns out to be dead (Postgres was restarted), the first statement
    fails and is retried once with a new connection; nothing is lost. If Postgres was silent, there
    is no retry: a new connection would meet the same silence.
    """
    for last_try in (False, True):
        session = Session(Database.engine, expire_on_commit=False, autoflush=True)
        try:
            _pin(session, role, tenant, mode)
        except DBAPIError as error:
            session.close()
            is_silent = isinstance(error.orig, DeadlineExceeded)
            if last_try or is_silent or not error.connection_invalidated:
                raise
        except BaseException:
            session.close()
            raise
        else:
            session.info["after_commit"] = []
            session.info["open"] = True
            return session
    raise AssertionError("unreachable")


@contextmanager
def _transaction(role: str, tenant: str, mode: Mode = Mode.ANY) -> Iterator[Session]:
    session = _begin(role, tenant, mode)
    try:
        yield session
        finish(session)
    finally:
        # Rolls back if the transaction was not committed.
        session.close()


def finish(session: Session) -> None:
    """Commit, return the connection to the pool, then run the actions of `after_commit`.

    Called at the end of each block; a second call does nothing. A view calls it early when it must
    wait for the network, so that it holds no connection meanwhile.
    """
    if session.info.pop("open", None) is None:
        return
    session.commit()
    session.close()
    for action in session.info["after_commit"]:
        action()


@contextmanager
def tenant_session(tenant_id: UUID, mode: Mode = Mode.ANY) -> Iterator[Session]:
    """Open a transaction that sees one tenant, of its messages those of `mode`. Commits at the end,
    rolls back on an error."""
    with _transaction(APP_ROLE, str(tenant_id), mode) as session:
        session.info["tenant_id"] = tenant_id
        yield session


@contextmanager
def anonymous_session() -> Iterator[Session]:
    """Open a transaction that sees no tenant. Only the resolver's functions return rows in it."""
    with _transaction(APP_ROLE, "") as session:
        yield session


@contextmanager
def system_session() -> Iterator[Session]:
    """Open a transaction that sees the headers of due work of all tenants, never content."""
    with _transaction(SYSTEM_ROLE, "") as session:
        yield session


DRIVER_PIN = re.sub(r":(\w+)", r"%(pinned_\1)s", PIN.text)
"""The same statement with the driver's placeholders."""


def run_alone(tenant_id: UUID, statement: str, given: Mapping[str, Any]) -> Sequence[Row[Any]]:
    """Run one statement in a transaction of its own, with a single round trip; return its rows.

    Used on the busiest paths, where round trips are most of the cost. Postgres runs all statements
    of one request as one transaction, so the pin, the statement and the commit travel together.
    `statement` has the driver's placeholders, `%(name)s`.

    The statement is retried when the connection turns out to be broken, although the first run may
    have been committed. Pass only a statement that is safe to repeat.
    """
    pinned = {
        "pinned_role": APP_ROLE,
        "pinned_tenant": str(tenant_id),
        "pinned_mode": str(Mode.ANY),
        "pinned_timeout": _statement_timeout(),
    }
    together = f"{DRIVER_PIN};\n{statement}"
    for last_try in (False, True):
        try:
            with _engine().connect() as connection, _autocommit(connection):
                return connection.exec_driver_sql(together, {**pinned, **given}).all()
        except DBAPIError as error:
            is_silent = isinstance(error.orig, DeadlineExceeded)
            if last_try or is_silent or not error.connection_invalidated:
                raise
    raise AssertionError("unreachable")


@contextmanager
def _autocommit(connection: Connection) -> Iterator[None]:
    """Switch off the driver's own BEGIN and COMMIT in the block.

    SQLAlchemy's isolation level AUTOCOMMIT would cost as much as the statement itself.
    """
    driver: Any = connection.connection.driver_connection
    driver.autocommit = True
    try:
        yield
    finally:
        if not driver.closed:
            driver.autocommit = False


def _engine() -> Engine:
    if Database.engine is None:
        raise AssertionError("init was not called")
    return Database.engine


def after_commit(session: Session, action: AfterCommit) -> None:
    """Run `action` after the commit; drop it on a rollback."""
    session.info["after_commit"].append(action)


def tenant_of(session: Session) -> UUID:
    """Return the tenant that this transaction is pinned to."""
    tenant_id: UUID = session.info["tenant_id"]
    return tenant_id


def refuse_unsafe(settings: Settings) -> None:
    """Raise SettingsError in production when row-level security would not hold on this database.

    A database that is away does not count: it may come back, and each transaction pins again.
    """
    if not settings.is_production:
        return
    try:
        found = verify_pin()
    except DBAPIError as error:
        log.warning("database_unavailable", error=type(error.orig).__name__)
        return
    if found:
        raise SettingsError(found)


def verify_pin() -> list[str]:
    """Return the reasons why row-level security does not hold here, each with its remedy; [] if
    none.

    Logs a warning when the login itself may bypass row-level security: transactions are still
    isolated, but a login without BYPASSRLS adds a second layer. Raises DBAPIError when the database
    is away.
    """
    statement = text(
        "select current_user = :role as pinned, r.rolsuper or r.rolbypassrls as bypasses,"
        " l.rolsuper as login_is_superuser, l.rolbypassrls or l.rolcreaterole as login_is_powerful"
        " from pg_roles r, pg_roles l where r.rolname = current_user and l.rolname = session_user"
    )
    try:
        with anonymous_session() as session:
            row = session.execute(statement, {"role": APP_ROLE}).one()
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) is None:
            raise
        reason = str(error.orig).strip().splitlines()[0]
        return [
            f"DATABASE_URL's login cannot take the role {APP_ROLE} ({reason}). Run the migrations "
            f"('flask --app wsgi database upgrade'), or grant it: GRANT {APP_ROLE} TO <login>."
        ]
    if not row.pinned or row.bypasses:
        return [
            f"The role {APP_ROLE} bypasses row-level security, so tenants are not isolated. "
            f"Fix it with: ALTER ROLE {APP_ROLE} NOSUPERUSER NOBYPASSRLS."
        ]
    if row.login_is_superuser:
        return [
            "DATABASE_URL signs in as a superuser, who could leave the role of a transaction and "
            "run programs on the database's machine. Use a login without privileges: set "
            "DATABASE_URL to a new name and password, DIRECT_URL to the present login, and run "
            "'flask --app wsgi database create-login'."
        ]
    if row.login_is_powerful:
        log.warning(
            "login_has_privileges", remedy="run 'flask --app wsgi database create-login' once"
        )
    return []
