"""The whole development stack: two databases, then the process table."""

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dev.errors import DevError
from dev.log import MergedLog
from dev.postgres import EmbeddedPostgres
from dev.processes import ProcessTable, recado
from dev.settings import PROJECT, StackSettings, refuse_taken_ports
from dev.supervisor import Supervisor
from dev.valkey import EmbeddedValkey

TableMaker = Callable[[StackSettings, str, str], ProcessTable]


class Stack:
    """Starts and stops everything, except the databases that the developer's URLs name."""

    def __init__(
        self, settings: StackSettings, log: MergedLog, table_maker: TableMaker = recado
    ) -> None:
        self._settings = settings
        self._log = log
        self._table_maker = table_maker
        self._postgres: EmbeddedPostgres | None = None
        self._valkey: EmbeddedValkey | None = None
        self.supervisor = Supervisor(PROJECT, log)
        self.env: Mapping[str, str] = {}

    def start(self) -> None:
        """Start everything. Raises DevError if something cannot start; call `stop` in that case,
        too."""
        refuse_taken_ports(self._settings)
        self._settings.data_dir.mkdir(parents=True, exist_ok=True)
        environ = self._settings.environ
        database_url = environ.get("DATABASE_URL") or self._start_postgres()
        redis_url = environ.get("REDIS_URL") or self._start_valkey()
        table = self._table_maker(self._settings, database_url, redis_url)
        self.env = table.env
        self.supervisor.start(table)

    def wait(self) -> str | None:
        """See `Supervisor.wait`."""
        servers = {"postgres": self._postgres, "valkey": self._valkey}
        watched: dict[str, subprocess.Popen[bytes]] = {
            name: server.process
            for name, server in servers.items()
            if server is not None and server.process is not None
        }
        return self.supervisor.wait(watched)

    def stop(self) -> None:
        """Stop the processes first, so that their last work still finds a database."""
        self.supervisor.stop()
        if self._valkey is not None:
            self._valkey.stop()
        if self._postgres is not None:
            self._postgres.stop()

    def _start_postgres(self) -> str:
        path = self._settings.data_dir / "postgres"
        self._postgres = EmbeddedPostgres(path, self._settings.postgres_port)
        url = self._postgres.start()
        self._log.line("postgres", f"listens on 127.0.0.1:{self._postgres.port}")
        return url

    def _start_valkey(self) -> str:
        path = self._settings.data_dir / "valkey"
        self._valkey = EmbeddedValkey(path, self._settings.redis_port)
        url = self._valkey.start()
        self._log.line("valkey", f"listens on 127.0.0.1:{self._valkey.port}")
        return url


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Lock the data folder for one stack. The kernel releases the lock when the holder dies.

    Raises DevError if another stack holds it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "lock").open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise DevError(
                f"Recado already runs on {data_dir} (process {file.read().strip()}): stop it first."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
