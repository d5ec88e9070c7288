"""The real processes of one run: started, killed, frozen and started again."""

import os
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import psutil

from dev.launch import Launch, spawn
from dev.postgres import DATABASE, EmbeddedPostgres
from dev.processes import Command, ProcessTable, recado
from dev.settings import PROJECT, StackSettings
from dev.supervisor import answers
from dev.valkey import EmbeddedValkey

WEBS = 2
SIMULATOR_OPTIONS = ("--window", "open", "--log-size", "4000000", "--read-after", "1")
FAULTS = "RECADO_FAULTS"
FAULT_LINE = b"fault point "
READY_LINE = b" ready. "
"""A part of what Celery writes when a worker takes tasks."""


@dataclass
class Member:
    """An entry of the table, with its current process."""

    command: Command
    process: subprocess.Popen[bytes]
    faults: str = ""


@dataclass
class Fleet:
    """All processes. Call from the main thread only: see `dev.launch.spawn`."""

    folder: Path
    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    table: ProcessTable
    members: dict[str, Member] = field(default_factory=dict)
    log: IO[bytes] = field(init=False)
    sessions: set[int] = field(default_factory=set)
    _hits: Counter[str] = field(default_factory=Counter)
    _read_to: int = 0
    _ready: int = 0
    _workers: int = 0

    def __post_init__(self) -> None:
        self.log = self.log_path.open("ab")

    @property
    def log_path(self) -> Path:
        return self.folder / "processes.log"

    @property
    def database_url(self) -> str:
        """The service's database as the superuser sees it: all tenants."""
        return f"{self.postgres.admin_url.rpartition('/')[0]}/{DATABASE}"

    def start(self) -> None:
        """Migrate, seed, then start every service."""
        for command in self.table.preparations:
            process = self._spawn(command, "")
            if process.wait(120):
                raise RuntimeError(f"{command.name} failed:\n{self.last_lines()}")
        for command in self.table.services:
            self.members[command.name] = Member(command, self._spawn(command, ""))

    def start_again(self, name: str, faults: str = "") -> None:
        """Start a new process in place of one that was killed."""
        member = self.members[name]
        member.process.wait()
        member.faults = faults
        member.process = self._spawn(member.command, faults)

    def dead(self) -> dict[str, int]:
        """Return the processes that have ended, each with its exit code."""
        codes = {name: each.process.poll() for name, each in self.members.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def children(self, name: str) -> list[int]:
        """Return the process ids of the pool processes or web workers of one member."""
        try:
            return [each.pid for each in psutil.Process(self.members[name].process.pid).children()]
        except psutil.NoSuchProcess:
            return []

    def is_ready(self) -> bool:
        """Return whether all processes work, if no worker was killed while it started."""
        self._read_log()
        if self._ready < self._workers:
            return False
        urls = [each.command.health_url for each in self.members.values()]
        return all(answers(url) for url in urls if url is not None)

    def fault_hits(self) -> Counter[str]:
        """Return how often each fault point was hit, from what the dying processes wrote."""
        self._read_log()
        return self._hits.copy()

    def postgres_log(self) -> list[str]:
        """Return the whole log of the server."""
        return self.postgres.log_path.read_text(errors="replace").splitlines()

    def last_lines(self, count: int = 40) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-count:])

    def stop(self) -> None:
        """End every process of every session that was started, the databases last."""
        for member in self.members.values():
            if member.process.poll() is None:
                member.process.terminate()
        psutil.wait_procs([psutil.Process(each) for each in self._alive()], timeout=5)
        for session in self.sessions:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(session, signal.SIGKILL)
        for member in self.members.values():
            member.process.wait()
        self.valkey.stop()
        self.postgres.stop()
        self.log.close()

    def _read_log(self) -> None:
        with self.log_path.open("rb") as log:
            log.seek(self._read_to)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._read_to += len(line)
                self._ready += READY_LINE in line
                start = line.find(FAULT_LINE)
                if start >= 0:
                    rest = line[start + len(FAULT_LINE) :].decode(errors="replace")
                    self._hits[rest.partition(":")[0]] += 1

    def _alive(self) -> list[int]:
        members = self.members.values()
        return [each.process.pid for each in members if each.process.poll() is None]

    def _spawn(self, command: Command, faults: str) -> subprocess.Popen[bytes]:
        env = {**self.table.env, **command.env, **({FAULTS: faults} if faults else {})}
        launch = Launch(command.argv, env, PROJECT, command.death_signal, niceness=command.niceness)
        process = spawn(launch, output=self.log)
        self._workers += command.name.startswith("worker")
        self.sessions.add(process.pid)
        return process


DOUBLED = tuple(
    f"worker-{queue}" for queue in ("scheduler", "replies", "delivery", "inbox", "turns")
)
"""While one of two is frozen or starts again, the other goes on."""


def make_fleet(settings: StackSettings, extra: Mapping[str, str]) -> Fleet:
    """Start both databases and set up the processes; `extra` are settings of the service."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    postgres = EmbeddedPostgres(settings.data_dir / "postgres")
    valkey = EmbeddedValkey(settings.data_dir / "valkey")
    postgres.start()
    valkey.start()
    chosen = replace(settings, environ={**settings.environ, **extra})
    table = recado(chosen, postgres.url, valkey.url)
    return Fleet(settings.data_dir, postgres, valkey, _spread(table))


def _spread(table: ProcessTable) -> ProcessTable:
    """Return the table of `make run`, with two of each process that somebody waits for."""
    by_name = {each.name: each for each in table.services}
    web, simulator = by_name["web"], by_name["simulator"]
    services = [
        replace(simulator, argv=(*simulator.argv, *SIMULATOR_OPTIONS)),
        *(
            replace(web, name=f"web-{n}", argv=(*web.argv, "--reuse-port", "--workers", "1"))
            for n in range(1, WEBS + 1)
        ),
        *(each for name, each in by_name.items() if name.startswith("worker")),
        *(
            replace(
                by_name[name],
                name=f"{name}-2",
                argv=(*by_name[name].argv, "--hostname", f"{name}-2@%h"),
            )
            for name in DOUBLED
        ),
        by_name["beat"],
    ]
    return replace(table, services=tuple(services))


def pick(dice: random.Random, processes: list[int]) -> int | None:
    return dice.choice(processes) if processes else None
