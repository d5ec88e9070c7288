"""An embedded Postgres 16 with the roles that Supabase gives: a login that is no superuser."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from dev import binaries, ports, private_file
from dev.errors import DevError
from dev.launch import Launch, spawn, stop

SUPERUSER = "recado_superuser"
LOGIN = "recado"
DATABASE = "recado"
START_SECONDS = 30.0
_LOGIN_ATTRIBUTES = "LOGIN NOSUPERUSER CREATEDB CREATEROLE BYPASSRLS"
_SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # A statement that fails, and the row that it failed on, hold people's words.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
# A test's database is thrown away, so it needs no protection against a power failure.
THROW_AWAY_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class EmbeddedPostgres:
    """Postgres from the wheel, on 127.0.0.1, with its data in one folder.

    Port 0 means the last port, or any free one. The passwords and the port are stored in
    `<data_dir>.json` (mode 0600), the server's log in `<data_dir>.log`. If we are root, the server
    runs as `nobody`; if that user cannot reach `data_dir`, the data is in `self.data_dir` under
    /var/tmp.
    """

    def __init__(
        self, data_dir: Path, port: int = 0, settings: Mapping[str, str] | None = None
    ) -> None:
        self._account = binaries.server_account()
        self.data_dir = binaries.enterable_place(data_dir.absolute(), self._account)
        self._state_path = data_dir.absolute().with_name(f"{data_dir.name}.json")
        self.log_path = data_dir.absolute().with_name(f"{data_dir.name}.log")
        self._wanted_port = port
        self._settings = {**_SETTINGS, **(settings or {})}
        self._state: dict[str, str] = {}
        self._bin = binaries.postgres_install(self._account) / "bin"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return int(self._state["port"])

    @property
    def url(self) -> str:
        """The application's URL: login `recado`, database `recado`."""
        return self._url(LOGIN, self._state["login_password"], DATABASE)

    @property
    def admin_url(self) -> str:
        """The superuser's URL, database `postgres`."""
        return self._url(SUPERUSER, self._state["superuser_password"], "postgres")

    def start(self) -> str:
        """Start the server, or join the one that already runs on our data; return `url`.

        Raises DevError if it does not accept connections within `START_SECONDS`.
        """
        self._load_state()
        if self._joined_running_server():
            return self.url
        if not (self.data_dir / "PG_VERSION").exists():
            self._create_cluster()
        self._remember_port(ports.pick(self._wanted_port, int(self._state.get("port", "0"))))
        with private_file.append_to(self.log_path) as log:
            self.process = spawn(self._server_launch(), output=log)
        try:
            self._wait_until_ready()
            self._ensure_login_and_database()
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """Disconnect everybody and shut down; does nothing to a server that we did not start."""
        if self.process is not None:
            stop(self.process, [(signal.SIGINT, 15), (signal.SIGQUIT, 5)])
            self.process = None

    def crash(self) -> None:
        """Stop without writing anything, as a power failure would; the next start recovers."""
        if self.process is None:
            raise DevError("This Postgres was not started here, so it cannot be crashed from here.")
        stop(self.process, [(signal.SIGQUIT, 5)])
        self.process = None

    def _url(self, user: str, password: str, database: str) -> str:
        return f"postgresql://{user}:{password}@{ports.HOST}:{self.port}/{database}"

    def _load_state(self) -> None:
        self._state = private_file.read(self._state_path)
        if "superuser_password" in self._state:
            return
        if self.data_dir.exists():
            raise DevError(
                f"{self._state_path} with the passwords of the database in {self.data_dir} is "
                "missing: bring it back, or remove that folder to begin with an empty database."
            )
        self._state = {
            "superuser_password": secrets.token_urlsafe(24),
            "login_password": secrets.token_urlsafe(24),
        }
        private_file.write(self._state_path, self._state)

    def _remember_port(self, port: int) -> None:
        self._state["port"] = str(port)
        private_file.write(self._state_path, self._state)

    def _joined_running_server(self) -> bool:
        """Return whether a live server holds our data folder; waits for one that is shutting
        down."""
        deadline = time.monotonic() + START_SECONDS
        while (running := _running_server(self.data_dir)) is not None:
            if running.port:
                self._state["port"] = str(running.port)
                if self._accepts_connections():
                    self._remember_port(running.port)
                    return True
            if time.monotonic() > deadline:
                raise DevError(
                    f"Postgres process {running.process_id} holds {self.data_dir} but does not "
                    f"answer: stop it (its log is {self.log_path})."
                )
            time.sleep(0.1)
        return False

    def _create_cluster(self) -> None:
        """Create the data folder next to its final place, so that an incomplete one is never
        used."""
        draft = self.data_dir.with_name(f"{self.data_dir.name}.new")
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        with tempfile.TemporaryDirectory(dir=self.data_dir.parent) as private:
            password_file = Path(private, "password")
            password_file.write_text(self._state["superuser_password"], encoding="utf-8")
            self._hand_over(draft, Path(private), password_file)
            initdb = spawn(
                self._launch(
                    *("initdb", "--pgdata", draft, "--username", SUPERUSER),
                    *("--pwfile", password_file, "--auth", "scram-sha-256"),
                    *("--locale", "C", "--encoding", "UTF8", "--no-sync"),
                ),
                output=subprocess.PIPE,
            )
            output = initdb.communicate()[0].decode(errors="replace")
        if initdb.returncode:
            raise DevError(f"initdb failed:\n{output}")
        draft.rename(self.data_dir)

    def _hand_over(self, *paths: Path) -> None:
        if self._account is not None:
            for path in paths:
                os.chown(path, self._account.user_id, self._account.group_id)

    def _launch(self, program: str, *arguments: str | Path) -> Launch:
        # Variables such as PGDATA or LC_ALL of the developer's shell must not reach the server.
        return Launch(
            argv=[self._bin / program, *arguments],
            env={"PATH": os.defpath, "LC_ALL": "C"},
            cwd=self.data_dir.parent,
            death_signal=signal.SIGINT,
            account=self._account,
        )

    def _server_launch(self) -> Launch:
        settings = {**self._settings, "port": str(self.port)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return self._launch("postgres", "-D", self.data_dir, *options)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._accepts_connections():
            ended = self.process is None or self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                problem = "stopped at once" if ended else "did not answer in time"
                raise DevError(f"Postgres {problem}. Its last words:\n{self._last_words()}")
            time.sleep(0.02)

    def _last_words(self) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-10:])

    def _accepts_connections(self) -> bool:
        try:
            psycopg2.connect(self.admin_url, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _ensure_login_and_database(self) -> None:
        admin = psycopg2.connect(self.admin_url)
        try:
            admin.autocommit = True
            _ensure_login(admin, self._state["login_password"])
            _ensure_database(admin)
        finally:
            admin.close()
        add_vector(self._url(SUPERUSER, self._state["superuser_password"], DATABASE))


class _RunningServer:
    """The contents of a postmaster.pid: line 1 is the process, line 4 the port, once it listens."""

    def __init__(self, lines: list[str]) -> None:
        self.process_id = int(lines[0])
        self.port = int(lines[3]) if len(lines) > 3 and lines[3] else 0


def _running_server(data_dir: Path) -> _RunningServer | None:
    try:
        lines = (data_dir / "postmaster.pid").read_text(encoding="ascii").splitlines()
        running = _RunningServer(lines)
        os.kill(running.process_id, 0)
    except (FileNotFoundError, ProcessLookupError, IndexError, ValueError):
        return None
    except PermissionError:
        # The process id belongs to another user's process now: ours is gone.
        return None
    return running


def _ensure_login(admin: connection, password: str) -> None:
    name = sql.Identifier(LOGIN)
    with admin.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [LOGIN])
        if cursor.fetchone() is None:
            cursor.execute(
                sql.SQL("CREATE ROLE {} {} PASSWORD {}").format(
                    name, sql.SQL(_LOGIN_ATTRIBUTES), sql.Literal(password)
                )
            )


def add_vector(url: str) -> None:
    """Create the extension pgvector in a database, in a schema of the login, as on Supabase.

    `url` is the superuser's. Supabase lets its login create it, Postgres only a superuser.
    """
    admin = psycopg2.connect(url)
    try:
        admin.autocommit = True
        with admin.cursor() as cursor:
            login = sql.Identifier(LOGIN)
            cursor.execute(
                sql.SQL("CREATE SCHEMA IF NOT EXISTS extensions AUTHORIZATION {}").format(login)
            )
            cursor.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA extensions")
    finally:
        admin.close()


def _ensure_database(admin: connection) -> None:
    with admin.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if cursor.fetchone() is None:
            cursor.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(DATABASE), sql.Identifier(LOGIN)
                )
            )
