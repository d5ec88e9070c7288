"""A Postgres whose processes are frozen: the kernel still acknowledges, but nothing answers."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import Event
from uuid import UUID

import psutil
import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app import config, db, db_deadline
from app.common.ids import new_id
from app.db_deadline import DeadlineExceeded
from dev import binaries
from dev.postgres import THROW_AWAY_SETTINGS, EmbeddedPostgres
from tests.architecture.source import ROOT
from tests.conftest import sql

ENOUGH_SECONDS = 20.0
SOMEBODY = UUID(int=1)
GAVE_UP = 3
"""The exit code of PROCESS below."""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A Postgres of this module's own, with the role that transactions use."""
    folder = binaries.temporary_folder("frozen")
    with EmbeddedPostgres(folder / "postgres", settings=THROW_AWAY_SETTINGS) as started:
        sql(started.admin_url, f"create role {db.APP_ROLE}; grant {db.APP_ROLE} to recado")
        yield started
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def freezable(
    app: Flask, server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EmbeddedPostgres]:
    """For a while `server` is this process's database, with shorter timeouts."""
    monkeypatch.setattr(db_deadline, "FIRST_SECONDS", 1)
    monkeypatch.setattr(db_deadline, "STATEMENT_SECONDS", 1)
    monkeypatch.setattr(db, "POOL_SECONDS", 1)
    monkeypatch.setitem(db_deadline.CONNECT_ARGS, "connect_timeout", 2)
    before = db.Database.engine
    db.Database.engine = None
    db.init(replace(config.current(), database_url=server.url, database_pool_size=2))
    try:
        yield server
    finally:
        db.dispose()
        db.Database.engine = before


@contextmanager
def frozen(server: EmbeddedPostgres) -> Iterator[None]:
    """Send SIGSTOP to the postmaster and all its children."""
    assert server.process is not None
    master = psutil.Process(server.process.pid)
    master.suspend()
    processes = [master, *master.children(recursive=True)]
    try:
        for each in processes:
            each.suspend()
        yield
    finally:
        for each in processes:
            each.resume()


def ask(begun: Event | None = None, then: Event | None = None) -> None:
    """Run one transaction; between its two statements it waits for `then`."""
    with db.tenant_session(SOMEBODY) as session:
        session.execute(text("select 1"))
        if begun is not None and then is not None:
            begun.set()
            assert then.wait(ENOUGH_SECONDS)
        session.execute(text("select 2"))


def commit_only(begun: Event, then: Event) -> None:
    with db.tenant_session(SOMEBODY) as session:
        session.execute(text("select 1"))
        begun.set()
        assert then.wait(ENOUGH_SECONDS)


def roll_back_only(begun: Event, then: Event) -> None:
    """Raise a bug of ours while the database is frozen."""
    with db.tenant_session(SOMEBODY) as session:
        session.execute(text("select 1"))
        begun.set()
        assert then.wait(ENOUGH_SECONDS)
        raise LookupError


def ask_afresh() -> None:
    """Run one transaction on a new connection."""
    db.dispose()
    ask()


def works_again() -> bool:
    with db.tenant_session(SOMEBODY) as session:
        return session.scalar(text("select 1")) == 1


def failure_of(future: Future[None]) -> BaseException | None:
    """Return what it raised; fails when it did not end in time."""
    done, _ = wait([future], ENOUGH_SECONDS)
    assert done, "still waiting for a frozen database"
    return future.exception()


@pytest.mark.parametrize("call", [ask, ask_afresh])
def test_a_transaction_that_meets_a_frozen_server_ends(
    freezable: EmbeddedPostgres, call: Callable[[], None]
) -> None:
    assert works_again()
    with ThreadPoolExecutor(1) as pool:
        with frozen(freezable):
            assert isinstance(failure_of(pool.submit(call)), OperationalError)
        assert works_again()


@pytest.mark.parametrize("call", [ask, commit_only, roll_back_only])
def test_a_transaction_under_which_the_server_freezes_ends(
    freezable: EmbeddedPostgres,
    call: Callable[[Event, Event], None],
) -> None:
    begun, then = Event(), Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(partial(call, begun, then))
        assert begun.wait(ENOUGH_SECONDS)
        with frozen(freezable):
            then.set()
            assert isinstance(failure_of(running), OperationalError)
        assert works_again()


def test_a_crowd_that_meets_a_frozen_server_is_told_and_the_pool_recovers(
    freezable: EmbeddedPostgres,
) -> None:
    assert works_again()
    with ThreadPoolExecutor(20) as pool:
        with frozen(freezable):
            failures = [failure_of(each) for each in [pool.submit(ask) for _ in range(20)]]
        assert all(isinstance(each, DBAPIError | PoolTimeoutError) for each in failures)
        asked = [pool.submit(works_again) for _ in range(20)]
        assert all(each.result(ENOUGH_SECONDS) for each in asked)


def test_a_caller_is_told_to_come_again(app: Flask, freezable: EmbeddedPostgres) -> None:
    body = {"username": f"user-{new_id()}", "password": "a long enough password"}
    assert works_again()
    with frozen(freezable):
        answer = app.test_client().post("/auth/login", json=body)
    assert (answer.status_code, answer.json and answer.json["code"]) == (
        503,
        "database_unavailable",
    )
    assert int(answer.headers["Retry-After"]) > 0


def test_a_statement_that_takes_too_long_is_ended_by_a_server_that_works(
    freezable: EmbeddedPostgres,
) -> None:
    with pytest.raises(OperationalError) as caught, db.tenant_session(SOMEBODY) as session:
        session.execute(text("select pg_sleep(10)"))
    assert not isinstance(caught.value.orig, DeadlineExceeded)
    assert not caught.value.connection_invalidated


def test_a_request_meets_a_frozen_server_for_20_seconds_at_most() -> None:
    look = 1
    connecting = db.POOL_SECONDS + db_deadline.FIRST_SECONDS + look + db_deadline.CONNECT_SECONDS
    assert connecting <= 20
    assert db_deadline.STATEMENT_SECONDS + db_deadline.GRACE_SECONDS + look <= 20


PROCESS = """
import os, sys
from uuid import UUID
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from app import db, db_deadline
from app.config import Settings

settings = Settings(database_url=sys.argv[1], database_pool_size=2)
db_deadline.FIRST_SECONDS = db_deadline.STATEMENT_SECONDS = 2

def ask(seconds):
    with db.tenant_session(UUID(int=1)) as session:
        session.execute(text(f"select pg_sleep({seconds})"))

db.init(settings)
ask(0)
if sys.argv[2] == "fork" and (child := os.fork()):
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
if sys.argv[2] == "fork":
    db.dispose(close=False)
    db.init(settings)
    ask(0)
print(os.getpid(), flush=True)
sys.stdin.readline()
try:
    ask(1)
except OperationalError as error:
    assert isinstance(error.orig, db_deadline.DeadlineExceeded), error
    os._exit(3)
os._exit(0)
"""


@contextmanager
def another_process(
    server: EmbeddedPostgres, how: str
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Return (process, its backend's id): it has a connection, and sleeps 1 s in the database when
    told."""
    arguments = [sys.executable, "-c", PROCESS, server.url, how]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, cwd=ROOT, text=True, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_forked_child_gives_up_as_well(server: EmbeddedPostgres) -> None:
    with another_process(server, "fork") as (process, _), frozen(server):
        tell(process)
        assert process.wait(ENOUGH_SECONDS) == GAVE_UP


def test_a_process_that_was_frozen_itself_takes_the_answer_that_came_meanwhile(
    server: EmbeddedPostgres,
) -> None:
    with another_process(server, "alone") as (process, asking):
        tell(process)
        time.sleep(0.5)
        os.kill(asking, signal.SIGSTOP)
        time.sleep(5)
        os.kill(asking, signal.SIGCONT)
        assert process.wait(ENOUGH_SECONDS) == 0
