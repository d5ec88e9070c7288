"""The whole stack with real databases, gunicorn and Celery, around an empty application."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev import ports
from dev.settings import PROJECT
from dev.supervisor import answers
from tests.dev.census import eventually, processes_of

Starter = Callable[..., "StartedStack"]


class StartedStack:
    def __init__(self, place: Path, broken: str) -> None:
        self.web_port = ports.free_port()
        self.output = place / f"output-{self.web_port}"
        arguments = [str(place / "data"), str(self.web_port), str(ports.free_port()), broken]
        with self.output.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.dev.stand_in", *arguments],
                cwd=PROJECT,
                env={"PATH": os.environ["PATH"], "RECADO_TEST": str(place)},
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    def is_ready(self) -> bool:
        return "Recado runs." in self.said

    def wait_until_ready(self) -> None:
        ended = self.process.poll
        assert eventually(lambda: self.is_ready() or ended() is not None, 30), self.said
        assert ended() is None, self.said


@pytest.fixture
def start(place: Path) -> Iterator[Starter]:
    started: list[StartedStack] = []

    def starter(broken: str = "") -> StartedStack:
        started.append(StartedStack(place, broken))
        return started[-1]

    yield starter
    for stack in started:
        stack.process.kill()
        stack.process.wait()


def test_ctrl_c_stops_everything_and_the_next_start_has_the_data(
    start: Starter, place: Path
) -> None:
    first = start()
    first.wait_until_ready()
    assert answers(f"http://127.0.0.1:{first.web_port}/health")
    assert "migrate   | start number 1" in first.said
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(20) == 0
    assert processes_of(place) == {}

    second = start()
    second.wait_until_ready()
    assert "migrate   | start number 2" in second.said
    second.process.terminate()
    assert second.process.wait(20) == 0
    assert processes_of(place) == {}


def test_a_killed_supervisor_leaves_nothing_behind(start: Starter, place: Path) -> None:
    stack = start()
    stack.wait_until_ready()
    commands = " ".join(processes_of(place).values())
    for expected in ("gunicorn", "celery", "postgres", "valkey-server", "http.server"):
        assert expected in commands

    stack.process.kill()
    stack.process.wait()

    assert eventually(lambda: not processes_of(place), 10), processes_of(place)


def test_a_second_stack_on_the_same_data_is_refused(start: Starter) -> None:
    first = start()
    first.wait_until_ready()

    second = start()

    assert second.process.wait(10) == 1
    assert f"(process {first.process.pid}): stop it first." in second.said
    assert first.process.poll() is None


def test_a_process_that_dies_takes_the_stack_down_and_is_quoted(
    start: Starter, place: Path
) -> None:
    stack = start(broken="beat")

    assert stack.process.wait(30) == 1
    assert "beat ended by itself (exit code 3). Its last lines:\n  I am broken" in stack.said
    assert processes_of(place) == {}


def test_a_database_that_dies_takes_the_stack_down(start: Starter, place: Path) -> None:
    stack = start()
    stack.wait_until_ready()
    server = next(pid for pid, name in processes_of(place).items() if "valkey-server" in name)

    os.kill(server, signal.SIGKILL)

    assert stack.process.wait(30) == 1
    assert "valkey ended by itself (signal SIGKILL)" in stack.said
    assert processes_of(place) == {}
