"""Starts processes in order, watches them, and stops all of them."""

import http.client
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dev.errors import DevError
from dev.launch import Launch, spawn
from dev.log import MergedLog
from dev.processes import Command, ProcessTable

HEALTH_SECONDS = 60.0
STOP_SECONDS = 15.0
_PAUSE_SECONDS = 0.1


class Interrupted(Exception):
    """A stop was requested while the stack was starting."""


@dataclass(frozen=True)
class _Running:
    command: Command
    process: subprocess.Popen[bytes]
    reader: threading.Thread


class Supervisor:
    """Runs a process table in one folder with one log.

    `stop_asked` may be set from a signal handler: starting and watching end soon afterwards.
    `hurry`, set during `stop`, kills whatever is still running.
    """

    def __init__(self, cwd: Path, log: MergedLog) -> None:
        self._cwd = cwd
        self._log = log
        self._running: list[_Running] = []
        self.stop_asked = threading.Event()
        self.hurry = threading.Event()

    def start(self, table: ProcessTable) -> None:
        """Run the preparations, start the services, and wait until each is healthy.

        Raises DevError with the last lines of the process that failed, and Interrupted.
        """
        for command in table.preparations:
            self._prepare(command, table.env)
        for command in table.services:
            self._spawn(command, table.env)
        for running in list(self._running):
            self._wait_until_healthy(running)

    def wait(self, other_processes: Mapping[str, subprocess.Popen[bytes]]) -> str | None:
        """Wait until a stop is requested (returns None) or a process ends (returns what happened).

        `other_processes` are watched too, but not stopped by `stop`.
        """
        while not self.stop_asked.wait(_PAUSE_SECONDS):
            for running in self._running:
                if running.process.poll() is not None:
                    return self._obituary(running)
            for name, process in other_processes.items():
                if process.poll() is not None:
                    return f"{name} ended by itself ({_outcome(process)})."
        return None

    def stop(self) -> None:
        """Send SIGTERM stage by stage, wait `STOP_SECONDS` for all, then send SIGKILL to the
        rest."""
        deadline = time.monotonic() + STOP_SECONDS
        for stage in sorted({running.command.stop_stage for running in self._running}):
            members = [one for one in self._running if one.command.stop_stage == stage]
            for running in members:
                if running.process.poll() is None:
                    running.process.terminate()
            while any(running.process.poll() is None for running in members):
                if self.hurry.is_set() or time.monotonic() > deadline:
                    break
                time.sleep(0.05)
        for running in self._running:
            self._sweep(running)
        self._running.clear()

    def _sweep(self, running: _Running) -> None:
        """Kill what is left of a process and its children, which share its session."""
        if running.process.poll() is None:
            self._log.problem(f"{running.command.name} did not stop in time and is killed.")
        # The whole group may be gone (macOS says "not permitted" for a group of zombies).
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait()
        running.reader.join(timeout=1)

    def _spawn(self, command: Command, env: Mapping[str, str]) -> _Running:
        launch = Launch(
            niceness=command.niceness,
            argv=command.argv,
            env={**env, **command.env},
            cwd=self._cwd,
            death_signal=command.death_signal,
        )
        process = spawn(launch, output=subprocess.PIPE)
        if process.stdout is None:
            raise DevError(f"The output of {command.name} is out of reach.")
        running = _Running(command, process, self._log.follow(command.name, process.stdout))
        self._running.append(running)
        return running

    def _prepare(self, command: Command, env: Mapping[str, str]) -> None:
        running = self._spawn(command, env)
        while running.process.poll() is None:
            self._pause()
        self._running.remove(running)
        running.reader.join(timeout=1)
        if running.process.returncode:
            raise DevError(self._obituary(running))

    def _wait_until_healthy(self, running: _Running) -> None:
        url = running.command.health_url
        if url is None:
            return
        deadline = time.monotonic() + HEALTH_SECONDS
        pause = _PAUSE_SECONDS
        while not answers(url):
            for every in self._running:
                if every.process.poll() is not None:
                    raise DevError(self._obituary(every))
            if time.monotonic() > deadline:
                raise DevError(
                    f"{running.command.name} did not answer at {url} within {HEALTH_SECONDS:.0f} s."
                    f" Its last lines:\n{self._log.last_lines(running.command.name)}"
                )
            self._pause(pause)
            # A slow or failing process is polled less often, to keep the log short.
            pause = min(pause * 1.3, 2.0)

    def _pause(self, seconds: float = _PAUSE_SECONDS) -> None:
        if self.stop_asked.wait(seconds):
            raise Interrupted

    def _obituary(self, running: _Running) -> str:
        running.reader.join(timeout=1)
        name = running.command.name
        last_lines = self._log.last_lines(name)
        said = f" Its last lines:\n{last_lines}" if last_lines else " It wrote nothing."
        return f"{name} ended by itself ({_outcome(running.process)}).{said}"


def answers(url: str) -> bool:
    """Return whether the URL answers with a status below 500."""
    parts = urlsplit(url)
    client = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
    try:
        client.request("GET", parts.path or "/")
        return client.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()


def _outcome(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
