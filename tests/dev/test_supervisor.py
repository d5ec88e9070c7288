import io
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dev import ports, supervisor
from dev.errors import DevError
from dev.log import MergedLog
from dev.processes import Command, ProcessTable
from dev.supervisor import Interrupted, Supervisor
from tests.dev.census import processes_of

STUBBORN = (
    "import signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print('deaf', flush=True)\n"
    "time.sleep(60)\n"
)


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def watcher(tmp_path: Path, output: io.StringIO) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, MergedLog(output))
    yield made
    made.hurry.set()
    made.stop()


def python(name: str, code: str, health_url: str | None = None) -> Command:
    return Command(name, (sys.executable, "-c", code), health_url)


def table(*services: Command, preparations: tuple[Command, ...] = ()) -> ProcessTable:
    return ProcessTable(preparations, services, {"PATH": os.defpath, "PYTHONUNBUFFERED": "1"})


def test_preparations_run_in_order_and_before_the_services(
    watcher: Supervisor, output: io.StringIO
) -> None:
    first, second = python("one", "print('first')"), python("two", "print('second')")
    watcher.start(table(python("three", "print('third')"), preparations=(first, second)))
    watcher.wait({})

    assert output.getvalue() == "one       | first\ntwo       | second\nthree     | third\n"


def test_a_failed_preparation_is_quoted_and_no_service_starts(
    watcher: Supervisor, output: io.StringIO
) -> None:
    broken = python("migrate", "print('no such table'); raise SystemExit(2)")

    with pytest.raises(DevError, match=r"migrate ended by itself \(exit code 2\).*\n  no such tab"):
        watcher.start(table(python("web", "print('never')"), preparations=(broken,)))
    assert "never" not in output.getvalue()


def test_a_service_that_never_answers_is_named_with_its_last_lines(
    watcher: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "HEALTH_SECONDS", 0.5)
    url = f"http://127.0.0.1:{ports.free_port()}/health"
    silent = python("web", "print('waiting for Godot'); import time; time.sleep(60)", url)

    with pytest.raises(DevError, match=r"web did not answer at .*/health within .*\n  waiting for"):
        watcher.start(table(silent))


def test_a_stop_that_is_asked_while_starting_is_obeyed(watcher: Supervisor) -> None:
    watcher.stop_asked.set()

    with pytest.raises(Interrupted):
        watcher.start(table(preparations=(python("migrate", "import time; time.sleep(60)"),)))


def test_who_is_deaf_to_sigterm_is_killed_with_all_children(
    watcher: Supervisor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, output: io.StringIO
) -> None:
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.5)
    watcher.start(table(python("worker", STUBBORN)))
    while "deaf" not in output.getvalue():
        assert not watcher.stop_asked.wait(0.05)
    assert len(processes_of(tmp_path)) == 2

    watcher.stop()

    assert processes_of(tmp_path) == {}
    assert "worker did not stop in time and is killed." in output.getvalue()


def test_a_hurry_does_not_wait_for_the_deaf(watcher: Supervisor, output: io.StringIO) -> None:
    watcher.start(table(python("worker", STUBBORN)))
    while "deaf" not in output.getvalue():
        assert not watcher.stop_asked.wait(0.05)
    begun = time.monotonic()

    watcher.hurry.set()
    watcher.stop()

    assert time.monotonic() - begun < supervisor.STOP_SECONDS / 3


def test_who_does_the_work_is_stopped_after_who_makes_it(
    watcher: Supervisor, output: io.StringIO
) -> None:
    say_goodbye = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.2), print('bye'), sys.exit()))\n"
        "print('ready')\n"
        "time.sleep(60)\n"
    )
    worker = replace(python("worker", say_goodbye), stop_stage=1)
    watcher.start(table(worker, python("beat", say_goodbye)))
    while output.getvalue().count("ready") < 2:
        assert not watcher.stop_asked.wait(0.05)

    watcher.stop()

    assert output.getvalue().endswith("beat      | bye\nworker    | bye\n")
