"""The driver's restart, on small real processes: those that obey, and one that must be killed."""

import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.postgres import EmbeddedPostgres
from dev.processes import Command, ProcessTable
from dev.valkey import EmbeddedValkey
from tests.chaos import attacks
from tests.chaos.attacks import Driver
from tests.chaos.fleet import Fleet
from tests.chaos.plan import DEPLOY, Attack

OBEDIENT = "import signal; signal.signal(15, lambda *_: exit(0)); print('up', flush=True)\n"
STUBBORN = "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\n"
FOR_EVER = "while True: signal.pause()"


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    """A fleet of one process that ends on SIGTERM and one that does not; no database runs."""
    services = tuple(
        Command(name, (sys.executable, "-c", source + FOR_EVER))
        for name, source in (("web-1", OBEDIENT), ("worker-1", STUBBORN))
    )
    fleet = Fleet(
        tmp_path,
        EmbeddedPostgres(tmp_path / "postgres"),
        EmbeddedValkey(tmp_path / "valkey"),
        ProcessTable((), services, {}),
    )
    fleet.start()
    yield Driver(fleet, DEPLOY, random.Random(1))  # noqa: S311
    for member in fleet.members.values():
        member.process.kill()
    fleet.stop()


def _wait_until_up(driver: Driver, count: int) -> None:
    until = time.monotonic() + 10
    while driver.fleet.log_path.read_text().count("up") < count:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_one_process_after_the_other_is_asked_to_end_and_started_again(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attacks, "PATIENCE_SECONDS", 0.5)
    _wait_until_up(driver, 2)
    first = {name: each.process.pid for name, each in driver.fleet.members.items()}
    driver.act(Attack.RESTART)
    driver.act(Attack.RESTART)
    driver.rest(1.2)
    assert {each.name: each.code for each in driver.endings} == {
        "web-1": 0,
        "worker-1": -signal.SIGKILL,
    }
    assert driver.leaving == {}
    assert driver.ended_alone.total() == 0
    assert all(each.process.pid != first[name] for name, each in driver.fleet.members.items())


def test_who_ends_unasked_is_started_again_and_counted(driver: Driver) -> None:
    _wait_until_up(driver, 2)
    driver.fleet.members["web-1"].process.terminate()
    driver.rest(0.6)
    assert driver.ended_alone == {"web": 1}
    assert driver.endings == []
    assert driver.fleet.dead() == {}


def test_a_deploy_arms_nobody(driver: Driver) -> None:
    before = {name: each.process.pid for name, each in driver.fleet.members.items()}
    driver.arm()
    assert {name: each.process.pid for name, each in driver.fleet.members.items()} == before
    assert driver.missed() == []
